"""Temperature scaling: it finds the temperature that logits were made with, and moves no answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.onboard.unknown import softmax
from edgecnn.pipeline.calibrate import calibration_error, temperature


@settings(max_examples=20)
@given(st.floats(0.2, 5.0), st.integers(0, 1000))
def test_it_finds_the_temperature_that_makes_the_shares_true(true: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (4000, 5)).astype(np.float32)
    shares = softmax(logits)
    truth = (rng.uniform(size=(4000, 1)) > shares.cumsum(1)).sum(1).clip(max=4)  # drawn by the shares themselves
    assert temperature.fitted((logits * np.float32(true)), truth) == pytest.approx(true, rel=0.15)


def test_a_file_that_is_too_sure_is_less_so_afterwards() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (500, 4)).astype(np.float32)
    truth = (rng.uniform(size=(500, 1)) > softmax(logits).cumsum(1)).sum(1).clip(max=3)
    sure = 4 * logits
    power = temperature.fitted(sure, truth)
    before, after = (calibration_error.fit(softmax(values), truth) for values in (sure, sure / power))
    assert after.error_pp.high < before.error_pp.low
    assert after.loss.value < before.loss.value


@given(st.integers(1, 80), st.integers(2, 12))
def test_a_file_that_is_always_right_is_not_taken_for_infallible(n: int, classes: int) -> None:
    truth = np.arange(n) % classes
    logits = 10 * np.eye(classes, dtype=np.float32)[truth]
    power = temperature.fitted(logits, truth)
    sure = softmax(logits / power).max()
    assert sure == pytest.approx((n + 1) / (n + 2), abs=2e-3) or power == pytest.approx(temperature.WIDEST, rel=1e-3)
