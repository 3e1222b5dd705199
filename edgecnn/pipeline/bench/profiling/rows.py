"""From steps to rows: each operator's cost over rounds, those that run as one joined, rates, and whether it adds up."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from edgecnn.common import stats
from edgecnn.formats import Operator
from edgecnn.pipeline.bench.profiling.results import Cost, Row

MOST_OFF_PERCENT = 10.0
"""Parts whose sum is further than this from the whole are no profile of it."""
FAMILIES = {
    "conv": "convolution",
    "pointwise": "convolution",
    "transposed conv": "convolution",
    "depthwise": "depthwise",
    "grouped conv": "depthwise",
    "dense": "product",
    "matmul": "product",
}
"""Kind -> those it is fair to compare its MACs a second with."""

NOTHING = Cost(p50=0.0, low=0.0, high=0.0)

Samples = tuple[float, ...]
"""One value a round."""


def cost(samples: Sequence[float]) -> Cost:
    """The median over rounds with the interval the rounds give (`stats.median_interval`)."""
    ordered = sorted(samples)
    low, high, _ = stats.median_interval(ordered)
    return Cost(p50=stats.quantile(ordered, 0.5), low=low, high=high)


def together(those: Sequence[Row]) -> Cost:
    """What several rows cost, summed round by round."""
    return cost([sum(round_) for round_ in zip(*(row.samples for row in those), strict=True)]) if those else NOTHING


def per_round(passes: Sequence[Sequence[Sequence[float]]]) -> list[Samples]:
    """[round][step][pass] -> for each step, every round's median over its passes."""
    medians = [[statistics.median(step) for step in round_] for round_ in passes]
    return [tuple(step) for step in zip(*medians, strict=True)]


def joined(samples: Sequence[Samples]) -> list[tuple[list[int], Samples]]:
    """(operators, their cost a round): an operator that costs less than nothing beyond noise goes with its predecessor.

    A runtime that runs two operators as one kernel drops the first one's work once the second is there.
    """
    groups = [([place], one) for place, one in enumerate(samples)]
    place = 0
    while place < len(groups):
        if cost(groups[place][1]).high >= 0 or len(groups) == 1:
            place += 1
            continue
        first = max(0, place - 1)  # a first operator can only go with its successor
        (a, left), (b, right) = groups[first : first + 2]
        groups[first : first + 2] = [(a + b, tuple(x + y for x, y in zip(left, right, strict=True)))]
        place = first
    return groups


def rows(operators: Sequence[Operator], samples: Sequence[Samples], call: Samples) -> tuple[Row, ...]:
    """The operators' rows; `samples` has one entry an operator, `call` is what an empty graph costs."""
    groups = joined(samples)
    total = sum(cost(one).p50 for _, one in groups) + max(0.0, cost(call).p50)
    all_macs = sum(one.macs for one in operators)
    plain = [
        _row([operators[place] for place in places], places[0] + 1, one, total, all_macs) for places, one in groups
    ]
    return tuple(_ranked(row, plain) for row in plain)


def fit(totals: Sequence[float], wholes: Sequence[float]) -> Cost:
    """By how much the parts' sum is off the whole, in percent of it, round by round: both of one process."""
    return cost([100 * (total / whole - 1) for total, whole in zip(totals, wholes, strict=True)])


def misfit(off_percent: Cost) -> str | None:
    """Why the parts are no profile of the whole, in the words that follow "because"; None if they add up.

    They add up when they are off by MOST_OFF_PERCENT at most, or the rounds cannot tell them from the whole.
    """
    if abs(off_percent.p50) <= MOST_OFF_PERCENT or off_percent.low <= 0 <= off_percent.high:
        return None
    words = f"the sum of its parts is off the whole by {off_percent.p50:+.0f} %"
    return f"{words}, and {MOST_OFF_PERCENT:.0f} % is what passes"


def family(row: Row) -> str | None:
    """The family a row's MACs a second are compared in; None without MACs."""
    return FAMILIES.get(row.kind) if row.macs else None


def best(row: Row, among: Sequence[Row]) -> Row | None:
    """The one of its family that has most MACs for its cost."""
    kin = [one for one in among if family(one) == family(row) and one.macs_per_unit]
    return max(kin, key=lambda one: one.macs_per_unit or 0.0, default=None) if family(row) else None


def _row(parts: Sequence[Operator], place: int, samples: Samples, total: float, all_macs: int) -> Row:
    main = max(parts, key=lambda one: (one.macs, one.bytes))
    macs, spent = sum(one.macs for one in parts), cost(samples)
    return Row(
        place=place,
        names=tuple(one.name for one in parts),
        operators=tuple(one.operator for one in parts),
        kinds=tuple(one.kind for one in parts),
        kind=main.kind,
        label=" + ".join(one.label for one in parts),
        input_shape=parts[0].input_shape,
        output_shape=parts[-1].output_shape,
        channels=main.channels,
        stride=main.stride,
        is_float=any(one.is_float for one in parts),
        macs=macs,
        bytes=sum(one.bytes for one in parts),
        cost=spent,
        share_percent=100 * spent.p50 / total if total > 0 else 0.0,
        macs_percent=100 * macs / all_macs if all_macs else 0.0,
        macs_per_unit=macs / spent.p50 if macs and spent.is_told else None,
        of_best_percent=None,
        samples=samples,
    )


def _ranked(row: Row, among: Sequence[Row]) -> Row:
    top = best(row, among)
    if row.macs_per_unit is None or top is None or top.macs_per_unit is None:
        return row
    return dataclasses.replace(row, of_best_percent=100 * row.macs_per_unit / top.macs_per_unit)
