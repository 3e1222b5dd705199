"""Scaling of each family's net until it costs what the recipe's net costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.data import Split
from edgecnn.nets import budget
from edgecnn.records.recipe import NetPlan
from edgecnn.studies.duel import families, latency
from edgecnn.studies.duel.plan import DuelPlan

UNITS = {"params": "parameters", "macs": "MACs", "latency": "ms"}


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """One family's net, scaled to the budget, and how close it came."""

    family: str
    net: NetPlan
    params: int
    macs: int
    ratio: float
    """Cost of the net divided by that of the recipe's net, in the budget's unit."""
    ratio_low: float | None = None
    ratio_high: float | None = None
    """95 % interval of a measured ratio; None for a ratio of counts."""


def scale(plan: DuelPlan, training: Split, folder: Path) -> tuple[float, list[Scaled]]:
    """Scale the plan's families to the budget.

    Parameters and MACs are counted and met within 5 %. Latency is searched for on the board (`latency.search`) and met
    as nearly as the search came; its result is kept in `folder`, so that a resumed duel has the same nets.

    Returns:
        (the budget in its unit, the contenders in the plan's order).

    Raises:
        PlanError: a family cannot be scaled to the budget.
    """
    shape, classes = training.input_shape, len(training.classes)
    if plan.budget == "latency":
        target_ms, timed_nets = latency.search(plan, training, folder)
        return target_ms, [
            _scaled(timed.family, timed.net, shape, classes, timed.ratio, timed.ratio_low, timed.ratio_high)
            for timed in timed_nets
        ]
    target, scaled = budget.cost(plan.recipe.net, shape, classes, plan.budget), []
    for family in plan.families:
        net = families.fit(family, plan.recipe, shape, classes, target, plan.budget)
        scaled.append(_scaled(family, net, shape, classes, budget.cost(net, shape, classes, plan.budget) / target))
    return target, scaled


def _scaled(
    family: str,
    net: NetPlan,
    shape: tuple[int, int, int],
    classes: int,
    ratio: float,
    low: float | None = None,
    high: float | None = None,
) -> Scaled:
    params, macs = (budget.cost(net, shape, classes, by) for by in ("params", "macs"))
    return Scaled(family=family, net=net, params=params, macs=macs, ratio=ratio, ratio_low=low, ratio_high=high)
