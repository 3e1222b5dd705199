"""The Pareto front of accuracy against a cost, and which places on it are not statistically certain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PointEstimate:
    """A value and its interval; for an exact value both bounds equal it."""

    value: float
    low: float
    high: float

    def apart(self, other: PointEstimate) -> bool:
        """Return whether the interval of the difference excludes 0.

        That interval is combined from the arms of the two intervals (Zou and Donner, 2008, Statistics in Medicine
        27:1693); for two Wilson intervals it is Newcombe's interval of the difference of two proportions. For exact
        values it is the difference itself.
        """
        upper, lower = (self, other) if self.value >= other.value else (other, self)
        reach = math.hypot(upper.value - upper.low, lower.high - lower.value)
        return upper.value - lower.value > reach


@dataclass(frozen=True, kw_only=True)
class Point:
    """One candidate: top-1 in percent, where more is better, and a cost, where less is."""

    name: str
    top1: PointEstimate
    cost: PointEstimate


Standing = Literal["front", "undecided", "behind"]


@dataclass(frozen=True, kw_only=True)
class FrontPlace:
    """The standing of one candidate.

    front: nothing else is as accurate for less, or more accurate for as much, anywhere within the intervals.
    undecided: whether it is on the front depends on a difference that is not significant.
    behind: another candidate is at least as good in both by value, and significantly better in one.
    """

    standing: Standing
    other: str | None = None
    """Name of the candidate that it is behind, or not told apart from."""
    accuracy_told: bool = True
    """Whether its accuracy and the other's differ significantly."""
    cost_told: bool = True
    """Whether its cost and the other's differ significantly."""
    by_value: bool
    """Whether it is on the front if values are taken as exact: no other candidate dominates it in accuracy and cost
    together (V. Pareto, 1906, Manuale di economia politica)."""


def places(points: Sequence[Point]) -> tuple[FrontPlace, ...]:
    """Return the place of each point among all, in their order.

    Points are compared in pairs, without a correction for multiple comparisons.
    """
    return tuple(_place(point, [other for other in points if other is not point]) for point in points)


def front(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points that no other dominates by value, the cheapest first."""
    undominated = [point for point, place in zip(points, places(points), strict=True) if place.by_value]
    return tuple(sorted(undominated, key=lambda point: (point.cost.value, point.top1.value, point.name)))


def _place(point: Point, others: Sequence[Point]) -> FrontPlace:
    dominating = [other for other in others if _dominates(other, point)]
    by_value = not dominating
    certain = [other for other in dominating if _clearly_better(other, point)]
    if certain:
        return _compared(point, _best(certain), "behind", by_value)
    if dominating:
        return _compared(point, _best(dominating), "undecided", by_value)
    rivals = [other for other in others if _clearly_better(other, point) and not _clearly_better(point, other)]
    if rivals:
        return _compared(point, _best(rivals), "undecided", by_value)
    alike = [other for other in others if not point.top1.apart(other.top1) and not point.cost.apart(other.cost)]
    if alike:
        return _compared(point, _best(alike), "undecided", by_value)
    return FrontPlace(standing="front", by_value=True)


def _dominates(point: Point, other: Point) -> bool:
    is_as_cheap, is_as_accurate = point.cost.value <= other.cost.value, point.top1.value >= other.top1.value
    return (
        is_as_cheap and is_as_accurate and (point.cost.value, point.top1.value) != (other.cost.value, other.top1.value)
    )


def _clearly_better(point: Point, other: Point) -> bool:
    """Return whether the point is significantly better than the other in accuracy or in cost."""
    cheaper = point.cost.value < other.cost.value and point.cost.apart(other.cost)
    return cheaper or (point.top1.value > other.top1.value and point.top1.apart(other.top1))


def _best(points: Sequence[Point]) -> Point:
    return min(points, key=lambda point: (-point.top1.value, point.cost.value, point.name))


def _compared(point: Point, other: Point, standing: Standing, by_value: bool) -> FrontPlace:
    return FrontPlace(
        standing=standing,
        other=other.name,
        accuracy_told=point.top1.apart(other.top1),
        cost_told=point.cost.apart(other.cost),
        by_value=by_value,
    )
