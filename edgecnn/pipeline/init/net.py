"""Chooses the net: the most accurate of the zoo's within the budget, and the weights it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edgecnn.common import config
from edgecnn.errors import PlanError, UsageError
from edgecnn.nets import budget
from edgecnn.pipeline.init import decision
from edgecnn.pipeline.init.decision import Decision
from edgecnn.records import plans, zoo
from edgecnn.records.recipe import NetPlan, Recipe

MODELS = {1: ("fashion-resnet8", "fashion-30k", "fashion-10k"), 3: ("colour-90k", "colour-30k", "colour-10k")}
"""The models of the zoo for grey and for coloured pictures, the most accurate first; each has a recipe of its name."""


def choose(
    shape: tuple[int, int, int], classes: int, budget_params: int | None, asked: Mapping[str, Any]
) -> list[Decision]:
    """Decide on the net and on the weights it starts from.

    Args:
        shape: (C, H, W) of one picture.
        classes: The number of classes.
        budget_params: The most parameters, batch norm folded; None for no bound.
        asked: What the user named: with a net or a start of one's own, nothing is chosen but the other.

    Raises:
        PlanError: No net is so small, or none can take pictures of this shape.
    """
    own = decision.values_in("net", asked)
    if "name" in own:
        return [Decision("start", "", "drawn at random: the zoo has weights for its own nets only")]
    is_altered = bool(own or decision.values_in("budget", asked))
    first, *smaller = MODELS[shape[0]]
    plan = _plan(first, own)
    params = budget.cost(plan, shape, classes, "params")
    if budget_params is None or params <= budget_params:
        return [_start(first, is_altered), *_net(plan, params, "the zoo's most accurate")]
    for model in smaller:
        try:
            params = budget.cost(_plan(model, own), shape, classes, "params")
        except PlanError:  # a picture of a few pixels cannot be halved so often
            continue
        plan = _plan(model, own)
        if params <= budget_params:
            return [_start(model, is_altered), *_net(plan, params, f"the zoo's most accurate within {budget_params:,}")]
    plan = budget.solve(plan, shape, classes, budget_params)
    params = budget.cost(plan, shape, classes, "params")
    return [
        Decision("start", "", "drawn at random: the zoo has no weights for so small a net"),
        *_net(plan, params, f"the zoo's have more than {budget_params:,}, so the layers of one are narrowed"),
    ]


def _plan(model: str, own: Mapping[str, Any]) -> NetPlan:
    """Return the net of a model of the zoo, with what the user named of it."""
    plan = plans.load(Recipe, model).net
    return replace(plan, options={**plan.options, **own})


def _start(model: str, is_altered: bool) -> Decision:
    named = f"{zoo.PREFIX}{model}"
    if is_altered:
        return Decision("start", "", "drawn at random: the zoo has weights for its own nets only")
    try:
        zoo.located(named)
    except UsageError:
        return Decision("start", "", f"drawn at random: {named} is not installed (pip install edgecnn-zoo)")
    return Decision("start", named, "weights that know pictures already; the last layer is drawn for these classes")


def _net(plan: NetPlan, params: int, reason: str) -> list[Decision]:
    first, *rest = config.table_of(plan).items()
    about = f"{params:,} parameters: {reason}"
    return [Decision(f"net.{first[0]}", first[1], about), *(Decision(f"net.{key}", value, "") for key, value in rest)]
