"""Computes rows from steps: each operator's cost over rounds, its rate, and whether all costs add up to the whole."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from edgecnn.common import stats
from edgecnn.formats import Operator
from edgecnn.pipeline.bench.profiling.results import OperatorCost, ProfileRow

MOST_OFF_PERCENT = 10.0
"""How far the sum of the parts may be off the whole."""
FAMILIES = {
    "conv": "convolution",
    "pointwise": "convolution",
    "transposed conv": "convolution",
    "depthwise": "depthwise",
    "grouped conv": "depthwise",
    "dense": "product",
    "matmul": "product",
}
"""Kind -> family; MACs per second are compared within a family."""

NOTHING = OperatorCost(p50=0.0, low=0.0, high=0.0)

Samples = tuple[float, ...]
"""One value per round."""


def cost(samples: Sequence[float]) -> OperatorCost:
    """Return the median over rounds and its interval (`stats.median_interval`)."""
    ordered = sorted(samples)
    low, high, _ = stats.median_interval(ordered)
    return OperatorCost(p50=stats.quantile(ordered, 0.5), low=low, high=high)


def together(parts: Sequence[ProfileRow]) -> OperatorCost:
    """Return the cost of several rows, summed round by round."""
    return cost([sum(round_) for round_ in zip(*(row.samples for row in parts), strict=True)]) if parts else NOTHING


def per_round(passes: Sequence[Sequence[Sequence[float]]]) -> list[Samples]:
    """Take the median over passes: [round][step][pass] -> [step][round]."""
    medians = [[statistics.median(step) for step in round_] for round_ in passes]
    return [tuple(step) for step in zip(*medians, strict=True)]


def joined(samples: Sequence[Samples]) -> list[tuple[list[int], Samples]]:
    """Join an operator of negative cost, beyond noise, with the operator before it.

    A runtime that fuses two operators into one kernel drops the work of the first once the second is there, so the
    second seems to cost less than nothing.

    Args:
        samples: Costs by [operator][round].

    Returns:
        (indices of the operators, their summed costs by round) for each group.
    """
    groups = [([place], costs) for place, costs in enumerate(samples)]
    place = 0
    while place < len(groups):
        if cost(groups[place][1]).high >= 0 or len(groups) == 1:
            place += 1
            continue
        first = max(0, place - 1)  # the first operator has only a successor
        (a, before), (b, after) = groups[first : first + 2]
        groups[first : first + 2] = [(a + b, tuple(x + y for x, y in zip(before, after, strict=True)))]
        place = first
    return groups


def rows(operators: Sequence[Operator], samples: Sequence[Samples], call: Samples) -> tuple[ProfileRow, ...]:
    """Compute the rows of a profile.

    Args:
        operators: In execution order.
        samples: Costs by [operator][round].
        call: Cost of an empty graph, by round.
    """
    groups = joined(samples)
    total = sum(cost(costs).p50 for _, costs in groups) + max(0.0, cost(call).p50)
    all_macs = sum(operator.macs for operator in operators)
    unranked = [
        _row([operators[place] for place in places], places[0] + 1, costs, total, all_macs) for places, costs in groups
    ]
    return tuple(_ranked(row, unranked) for row in unranked)


def fit(totals: Sequence[float], wholes: Sequence[float]) -> OperatorCost:
    """Return how far the sum of the parts is off the whole, in percent of the whole.

    Args:
        totals: Sum of the parts, by round.
        wholes: Cost of the whole file, by round, in the same process.
    """
    return cost([100 * (total / whole - 1) for total, whole in zip(totals, wholes, strict=True)])


def misfit(off_percent: OperatorCost) -> str | None:
    """Return why the parts are no profile of the whole, to follow "because"; None if they add up.

    They add up if they are off by at most MOST_OFF_PERCENT, or if the rounds cannot tell them from the whole.
    """
    if abs(off_percent.p50) <= MOST_OFF_PERCENT or off_percent.low <= 0 <= off_percent.high:
        return None
    words = f"the sum of its parts is off the whole by {off_percent.p50:+.0f} %"
    return f"{words}, and {MOST_OFF_PERCENT:.0f} % is what passes"


def family(row: ProfileRow) -> str | None:
    """Return the family of a row; None without MACs."""
    return FAMILIES.get(row.kind) if row.macs else None


def best(row: ProfileRow, among: Sequence[ProfileRow]) -> ProfileRow | None:
    """Return the row of the same family with the most MACs for its cost, if any."""
    relatives = [other for other in among if family(other) == family(row) and other.macs_per_unit]
    return max(relatives, key=lambda other: other.macs_per_unit or 0.0, default=None) if family(row) else None


def _row(parts: Sequence[Operator], place: int, samples: Samples, total: float, all_macs: int) -> ProfileRow:
    main = max(parts, key=lambda part: (part.macs, part.bytes))
    macs, spent = sum(part.macs for part in parts), cost(samples)
    return ProfileRow(
        place=place,
        names=tuple(part.name for part in parts),
        operators=tuple(part.operator for part in parts),
        kinds=tuple(part.kind for part in parts),
        kind=main.kind,
        label=" + ".join(part.label for part in parts),
        input_shape=parts[0].input_shape,
        output_shape=parts[-1].output_shape,
        channels=main.channels,
        stride=main.stride,
        is_float=any(part.is_float for part in parts),
        macs=macs,
        bytes=sum(part.bytes for part in parts),
        cost=spent,
        share_percent=100 * spent.p50 / total if total > 0 else 0.0,
        macs_percent=100 * macs / all_macs if all_macs else 0.0,
        macs_per_unit=macs / spent.p50 if macs and spent.is_told else None,
        of_best_percent=None,
        samples=samples,
    )


def _ranked(row: ProfileRow, among: Sequence[ProfileRow]) -> ProfileRow:
    top = best(row, among)
    if row.macs_per_unit is None or top is None or top.macs_per_unit is None:
        return row
    return dataclasses.replace(row, of_best_percent=100 * row.macs_per_unit / top.macs_per_unit)
