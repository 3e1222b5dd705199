from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgecnn.studies.page import pareto
from edgecnn.studies.page.pareto import Point, PointEstimate


def point(name: str, top1: float, cost: float, arm: float = 0.0, cost_arm: float = 0.0) -> Point:
    return Point(
        name=name,
        top1=PointEstimate(top1, top1 - arm, top1 + arm),
        cost=PointEstimate(cost, cost - cost_arm, cost + cost_arm),
    )


def standings(*points: Point) -> list[tuple[str, str | None]]:
    return [(place.standing, place.other) for place in pareto.places(points)]


def test_what_costs_more_and_is_less_accurate_is_behind() -> None:
    assert standings(point("good", 90, 1), point("bad", 80, 2)) == [("front", None), ("behind", "good")]


def test_a_trade_of_accuracy_for_cost_puts_both_on_the_front() -> None:
    assert standings(point("small", 80, 1), point("large", 90, 2)) == [("front", None), ("front", None)]


def test_a_small_gain_inside_the_intervals_does_not_earn_a_place() -> None:
    cheap, dear = point("cheap", 93.53, 90, arm=0.5), point("dear", 93.54, 111, arm=0.5)
    assert standings(cheap, dear) == [("front", None), ("undecided", "cheap")]
    place = pareto.places([cheap, dear])[1]
    assert place.by_value
    assert not place.accuracy_told
    assert place.cost_told


def test_a_loss_inside_the_intervals_is_not_held_against_it() -> None:
    best, close = point("best", 90.1, 10, arm=1, cost_arm=2), point("close", 90.0, 10.5, arm=1, cost_arm=2)
    assert standings(best, close) == [("undecided", "close"), ("undecided", "best")]
    assert [place.by_value for place in pareto.places([best, close])] == [True, False]


def test_equal_candidates_are_both_on_the_front_by_value_and_not_told_apart() -> None:
    twins = [point("one", 90, 1), point("other", 90, 1)]
    assert standings(*twins) == [("undecided", "other"), ("undecided", "one")]
    assert pareto.front(twins) == tuple(twins)


def test_intervals_that_overlap_a_little_can_still_be_told_apart() -> None:
    """The arms of a difference add as squares: 3.62 pp lie outside what 353 and 340 of 359 leave open."""
    dscnn, mlp = PointEstimate(98.33, 96.4, 99.23), PointEstimate(94.71, 91.87, 96.59)
    assert dscnn.low < mlp.high
    assert dscnn.apart(mlp)
    assert mlp.apart(dscnn)


def test_exact_values_are_apart_when_they_differ_at_all() -> None:
    assert PointEstimate(1, 1, 1).apart(PointEstimate(2, 2, 2))
    assert not PointEstimate(1, 1, 1).apart(PointEstimate(1, 1, 1))


numbers = st.integers(0, 6).map(float)
points = st.lists(
    st.builds(
        point, st.just("x"), numbers, numbers, st.sampled_from([0.0, 0.4, 2.0]), st.sampled_from([0.0, 0.4, 2.0])
    ),
    min_size=1,
    max_size=8,
).map(lambda drawn: [Point(name=str(i), top1=candidate.top1, cost=candidate.cost) for i, candidate in enumerate(drawn)])


@given(points)
def test_the_front_by_value_is_the_running_best_of_a_sweep_over_the_cost(drawn: list[Point]) -> None:
    best, kept = -1.0, set()
    for cost in sorted({candidate.cost.value for candidate in drawn}):
        there = [candidate for candidate in drawn if candidate.cost.value == cost]
        top = max(candidate.top1.value for candidate in there)
        if top > best:
            kept |= {candidate.name for candidate in there if candidate.top1.value == top}
            best = top
    assert {candidate.name for candidate in pareto.front(drawn)} == kept


@given(points)
def test_nobody_is_behind_one_that_is_worse_and_somebody_is_in_front(drawn: list[Point]) -> None:
    by_name = {candidate.name: candidate for candidate in drawn}
    places = pareto.places(drawn)
    for candidate, place in zip(drawn, places, strict=True):
        if place.standing == "behind":
            other = by_name[str(place.other)]
            assert other.top1.value >= candidate.top1.value
            assert other.cost.value <= candidate.cost.value
            assert not place.by_value
        if place.standing == "front":
            assert place.by_value
            assert place.other is None
    assert any(place.by_value for place in places)


@given(points, st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_matter(drawn: list[Point], random: object) -> None:
    mixed = list(drawn)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    places = {candidate.name: place for candidate, place in zip(mixed, pareto.places(mixed), strict=True)}
    assert [places[candidate.name].standing for candidate in drawn] == [
        place.standing for place in pareto.places(drawn)
    ]


@given(points)
def test_exact_candidates_leave_nothing_undecided_but_twins(drawn: list[Point]) -> None:
    exact = [point(candidate.name, candidate.top1.value, candidate.cost.value) for candidate in drawn]
    values = [(candidate.top1.value, candidate.cost.value) for candidate in exact]
    for value, place in zip(values, pareto.places(exact), strict=True):
        assert (place.standing == "undecided") == (place.by_value and values.count(value) > 1)
