"""The front of accuracy against a cost, and which places on it the measurements do not bear out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Estimate:
    """A value and its interval; an exact one has the interval it is."""

    value: float
    low: float
    high: float

    def apart(self, other: Estimate) -> bool:
        """Whether the interval of the difference leaves out 0.

        It is made of the two intervals' own arms (Zou and Donner, 2008, Statistics in Medicine 27:1693), which
        for two Wilson intervals is Newcombe's of two proportions. Of exact values it is the difference.
        """
        upper, lower = (self, other) if self.value >= other.value else (other, self)
        reach = math.hypot(upper.value - upper.low, lower.high - lower.value)
        return upper.value - lower.value > reach


@dataclass(frozen=True, kw_only=True)
class Point:
    """One candidate: top-1 in percent, where more is better, and a cost, where less is."""

    name: str
    top1: Estimate
    cost: Estimate


Standing = Literal["front", "undecided", "behind"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one candidate stands.

    front: nothing else is as accurate for less, or more accurate for as much, however the intervals are read.
    undecided: which side of the front it is on rests on a difference that is not told from none.
    behind: another is at least as good in both by value, and better in one, told apart.
    """

    standing: Standing
    other: str | None = None
    """The one it is behind, or not told apart from."""
    accuracy_told: bool = True
    """Whether its accuracy and the other's are told apart."""
    cost_told: bool = True
    """Whether its cost and the other's are."""
    by_value: bool
    """Whether it is on the front when the values are taken as exact: in accuracy and cost together
    nothing dominates it (V. Pareto, 1906, Manuale di economia politica)."""


def places(points: Sequence[Point]) -> tuple[Place, ...]:
    """The place of each point among all of them, in their order.

    Two are told apart one by one, without a correction for how many there are.
    """
    return tuple(_place(one, [other for other in points if other is not one]) for one in points)


def front(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points no other dominates by value, the cheapest first."""
    kept = [point for point, place in zip(points, places(points), strict=True) if place.by_value]
    return tuple(sorted(kept, key=lambda point: (point.cost.value, point.top1.value, point.name)))


def _place(one: Point, others: Sequence[Point]) -> Place:
    dominating = [other for other in others if _dominates(other, one)]
    by_value = not dominating
    certain = [other for other in dominating if _clearly_better(other, one)]
    if certain:
        return _against(one, _best(certain), "behind", by_value)
    if dominating:
        return _against(one, _best(dominating), "undecided", by_value)
    rivals = [other for other in others if _clearly_better(other, one) and not _clearly_better(one, other)]
    if rivals:
        return _against(one, _best(rivals), "undecided", by_value)
    alike = [other for other in others if not one.top1.apart(other.top1) and not one.cost.apart(other.cost)]
    if alike:
        return _against(one, _best(alike), "undecided", by_value)
    return Place(standing="front", by_value=True)


def _dominates(one: Point, other: Point) -> bool:
    cheap, right = one.cost.value <= other.cost.value, one.top1.value >= other.top1.value
    return cheap and right and (one.cost.value, one.top1.value) != (other.cost.value, other.top1.value)


def _clearly_better(one: Point, other: Point) -> bool:
    """In accuracy or in cost, told apart."""
    cheaper = one.cost.value < other.cost.value and one.cost.apart(other.cost)
    return cheaper or (one.top1.value > other.top1.value and one.top1.apart(other.top1))


def _best(points: Sequence[Point]) -> Point:
    return min(points, key=lambda point: (-point.top1.value, point.cost.value, point.name))


def _against(one: Point, other: Point, standing: Standing, by_value: bool) -> Place:
    return Place(
        standing=standing,
        other=other.name,
        accuracy_told=one.top1.apart(other.top1),
        cost_told=one.cost.apart(other.cost),
        by_value=by_value,
    )
