"""Thresholds from validation: what they keep and promise, on pictures that are drawn again and again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.pipeline.calibrate import thresholds


def test_a_new_picture_is_kept_as_often_as_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    kept = []
    for _ in range(2000):
        drawn = rng.normal(size=62)
        threshold = thresholds.least_score(drawn[:61], 95)
        assert threshold is not None
        kept.append(drawn[61] >= threshold)
    assert np.mean(kept) + 0.01 >= 0.95
    assert np.mean(kept) < 0.98


@given(st.lists(st.integers(-5, 5), min_size=19, max_size=80))
def test_no_threshold_lies_on_a_score(values: list[int]) -> None:
    scores = np.array(values, dtype=float)
    threshold = thresholds.least_score(scores, 95)
    assert threshold is not None
    assert np.abs(scores - threshold).min() > 1e-7
    assert (scores < threshold).mean() <= 0.05


def test_fewer_pictures_than_that_takes_tell_no_threshold() -> None:
    needed = thresholds.needed_to_keep(95)
    assert needed == 19
    assert thresholds.least_score(np.arange(needed - 1.0), 95) is None
    assert thresholds.least_score(np.arange(float(needed)), 95) is not None


def test_sixty_one_pictures_promise_no_two_percent_and_say_how_many_would() -> None:
    always_right = thresholds.risk(np.linspace(0.5, 1, 61), np.ones(61, bool), 61, 2.0)
    assert always_right.least_share is None
    assert always_right.bound_percent == pytest.approx(100 * (1 - 0.005 ** (1 / 61)))
    enough = always_right.needed_n
    assert thresholds.risk(np.linspace(0.5, 1, enough), np.ones(enough, bool), enough, 2.0).least_share is not None
    fewer = enough - 1
    assert thresholds.risk(np.linspace(0.5, 1, fewer), np.ones(fewer, bool), fewer, 2.0).least_share is None


def test_a_promise_is_broken_at_most_as_often_as_it_says() -> None:
    rng, broken = np.random.default_rng(0), 0
    for _ in range(100):
        shares = rng.uniform(0.5, 1, 150)  # an answer is right with its share's probability
        promised = thresholds.risk(shares, rng.uniform(size=150) < shares, 150, 20.0)
        if promised.least_share is not None:
            broken += (1 - promised.least_share) / 2 > 0.20  # the mean risk of shares above the threshold
    assert broken <= 0.05 * 100


def test_the_less_risk_is_allowed_the_fewer_pictures_are_answered() -> None:
    rng = np.random.default_rng(1)
    shares = rng.uniform(0.3, 1, 1000)
    correct = rng.uniform(size=1000) < shares
    promises = [thresholds.risk(shares, correct, 1000, percent) for percent in (40.0, 25.0, 15.0)]
    answered = [promise.answered.successes for promise in promises]
    assert answered == sorted(answered, reverse=True)
    assert len(set(answered)) == 3
    assert all(promise.bound_percent <= promise.max_percent for promise in promises)


def test_without_a_picture_nothing_is_promised() -> None:
    assert thresholds.risk(np.zeros(0), np.zeros(0, bool), 5, 10.0).least_share is None
