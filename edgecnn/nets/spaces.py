"""Design spaces: which values of a net's options are worth trying, declared beside it as `SPACE`; nets drawn from them.

A net without a space is not proposed by the planner.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from edgecnn import nets
from edgecnn.errors import PlanError
from edgecnn.records.recipe import NetPlan

TRIES = 50
"""How many nets are drawn in a row that cannot be built, before a space is given up."""


def names() -> tuple[str, ...]:
    """Return the nets that have a design space."""
    return tuple(name for name, net in nets.KIND.usable().items() if getattr(net, "SPACE", None))


def space(name: str) -> Mapping[str, Sequence[Any]]:
    """Return the values of each option that are worth trying, the coarsest option first."""
    values: Mapping[str, Sequence[Any]] = getattr(nets.get(name), "SPACE", {})
    return values


def draw(name: str, drawn: random.Random) -> NetPlan:
    """Draw a net from its space; its options need not fit each other or a picture."""
    return NetPlan(name=name, options={option: drawn.choice(values) for option, values in space(name).items()})


def sketched(plan: NetPlan, input_shape: tuple[int, int, int], classes: int) -> tuple[Any, ...]:
    """Return the layers of a net (`nets.sketch`).

    Raises:
        PlanError: The options do not fit, or the cost of an operator is not known before an export.
    """
    import torch

    from edgecnn.nets import sketch

    with torch.device("meta"):  # no weights are drawn
        net = nets.build(plan, input_shape, classes)
    return sketch.layers(net, input_shape)


def different(
    name: str, count: int, shapes: Sequence[tuple[int, int, int]], classes: int, seed: int
) -> list[tuple[NetPlan, tuple[int, int, int], tuple[Any, ...]]]:
    """Draw different nets that can be built, each for a picture of one of the shapes (C, H, W).

    Returns:
        (net, shape, layers) of each, fewer than `count` if a space has no more.
    """
    drawn, seen, tries = random.Random(f"{name} {seed}"), set(), 0
    nets_drawn: list[tuple[NetPlan, tuple[int, int, int], tuple[Any, ...]]] = []
    while len(nets_drawn) < count and tries < TRIES:
        tries += 1
        plan, shape = draw(name, drawn), drawn.choice(list(shapes))
        if (key := (tuple(plan.options.items()), shape)) in seen:
            continue
        seen.add(key)
        try:
            nets_drawn.append((plan, shape, sketched(plan, shape, classes)))
            tries = 0
        except PlanError:
            continue
    return nets_drawn
