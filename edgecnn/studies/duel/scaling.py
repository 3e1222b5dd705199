"""The contenders' nets: each family scaled until it costs what the recipe's net costs."""

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
    """One family's net, and how near to the budget it came."""

    family: str
    net: NetPlan
    params: int
    macs: int
    ratio: float
    """Its cost over the recipe's net's, in the budget's unit."""
    ratio_low: float | None = None
    ratio_high: float | None = None
    """95 % of a measured ratio; None for one that was counted."""


def scale(plan: DuelPlan, training: Split, folder: Path) -> tuple[float, list[Scaled]]:
    """(the budget in its unit, the contenders in the plan's order).

    Parameters and MACs are counted and come within 5 %. Latency is searched for on the board (`latency.search`),
    kept in `folder` so that a duel that was stopped goes on with the same nets, and as near as it came.

    Raises PlanError for a family that cannot be scaled to the budget.
    """
    shape, classes = training.input_shape, len(training.classes)
    if plan.budget == "latency":
        target_ms, found = latency.search(plan, training, folder)
        return target_ms, [
            _scaled(one.family, one.net, shape, classes, one.ratio, one.ratio_low, one.ratio_high) for one in found
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
