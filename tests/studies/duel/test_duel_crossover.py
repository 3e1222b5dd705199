"""The crossing of learning curves: found if it is known, and its interval holds it as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.studies.duel import crossover
from edgecnn.studies.duel.curves import interval
from edgecnn.studies.duel.runs import Score
from edgecnn.studies.findings import Cell

PICTURES = (570, 1710, 5700, 17100, 57000)


def cells(family: str, top1: np.ndarray) -> list[Cell]:
    """top1: (repeats, shares) in percent."""
    return [
        Cell(
            family=family,
            fraction=count / PICTURES[-1],
            pictures=count,
            epochs=1,
            top1_percents=tuple(column.tolist()),
            mean_percent=float(column.mean()),
            low_percent=0.0,
            high_percent=100.0,
            train_seconds=0.0,
        )
        for count, column in zip(PICTURES, top1.T, strict=True)
    ]


def rising(slope: float, at: float, level: float = 80.0) -> np.ndarray:
    """A curve straight in log pictures: `level` percent at `at` pictures."""
    return level + slope * (np.log(PICTURES) - math.log(at))


def noisy(curve: np.ndarray, deviation: float, seed: int, repeats: int = 3) -> np.ndarray:
    return curve + np.random.default_rng(seed).normal(0, deviation, (repeats, len(curve)))


@settings(max_examples=40, deadline=None)
@given(st.floats(700, 50_000), st.floats(1.0, 4.0), st.floats(-2.0, 0.5), st.integers(2, 5))
def test_the_crossing_of_two_straight_curves_is_found_where_it_is(
    at: float, steep: float, flat: float, repeats: int
) -> None:
    late = cells("late", noisy(rising(steep, at), 1e-6, 1, repeats))
    early = cells("early", noisy(rising(flat, at), 1e-6, 2, repeats))
    crossing = crossover.compare(early, late)
    assert (crossing.winner_below, crossing.winner_above, crossing.status) == ("early", "late", "estimated")
    assert crossing.pictures == pytest.approx(at, rel=1e-3)
    assert crossing.low is not None
    assert crossing.high is not None
    assert crossing.low <= crossing.pictures <= crossing.high
    assert crossover.compare(late, early) == crossing


@pytest.mark.parametrize("repeats", [2, 3, 5])
@pytest.mark.parametrize("deviation", [0.5, 1.5])
def test_the_interval_holds_a_known_crossing_at_least_as_often_as_it_says(repeats: int, deviation: float) -> None:
    at, duels = 4000.0, 200
    held = 0
    for seed in range(duels):
        differences = noisy(-1.5 * (np.log(PICTURES) - math.log(at)), deviation, seed, repeats)
        crossing = crossover.place(PICTURES, differences)
        held += crossing.low <= at <= crossing.high
    # 95 % of 200 are 190; fewer than 184 has a probability of 2 %, and the draws are seeded.
    assert held >= 184


def test_noise_larger_than_the_slopes_leaves_the_crossing_open() -> None:
    a, b = cells("a", noisy(rising(1.0, 5000), 6.0, 3)), cells("b", noisy(rising(1.05, 5000), 6.0, 4))
    crossing = crossover.compare(a, b)
    assert (crossing.status, crossing.pictures, crossing.low, crossing.high) == (
        "not distinguishable",
        None,
        None,
        None,
    )


def test_a_family_ahead_on_every_share_has_no_crossing_in_range() -> None:
    ahead, behind = cells("ahead", noisy(rising(2, 500), 0.2, 5)), cells("behind", noisy(rising(2, 2000), 0.2, 6))
    crossing = crossover.compare(behind, ahead)
    assert (crossing.winner_below, crossing.winner_above, crossing.status) == ("ahead", "ahead", "not in range")
    assert "below 570 pictures if at all" in crossing.sentence


def test_one_repeat_cannot_tell_a_crossing() -> None:
    crossing = crossover.compare(cells("a", rising(2, 5000)[None]), cells("b", rising(1, 5000)[None]))
    assert (crossing.status, crossing.sentence) == (
        "not distinguishable",
        "One training a share cannot tell where b and a cross.",
    )


def test_repeats_that_agree_by_luck_on_one_share_do_not_make_it_certain() -> None:
    lucky = noisy(-1.5 * (np.log(PICTURES) - math.log(4000)), 1.0, 7)
    lucky[:, -1] = -0.01  # a hair below 0 in all repeats: that the curves have crossed is not certain
    assert crossover.place(PICTURES, lucky).high == math.inf


def test_how_few_pictures_the_better_family_needs_for_the_others_best() -> None:
    leader, other = cells("leader", noisy(rising(2, 3000), 1e-6, 8)), cells("other", noisy(rising(2, 30_000), 1e-6, 9))
    assert crossover.to_match(leader, other).pictures == pytest.approx(5700, rel=1e-3)


@given(st.lists(st.integers(0, 500), min_size=2, max_size=6))
def test_the_interval_of_repeats_holds_their_mean_and_stays_a_percentage(correct: list[int]) -> None:
    mean, low, high = interval([Score(count, 500) for count in correct])
    assert 0 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 100
    assert mean == pytest.approx(sum(correct) / len(correct) / 5)


def test_the_interval_of_one_training_is_that_of_its_test_pictures() -> None:
    mean, low, high = interval([Score(90, 100)])
    assert (mean, round(low, 2), round(high, 2)) == (90.0, 82.56, 94.48)
