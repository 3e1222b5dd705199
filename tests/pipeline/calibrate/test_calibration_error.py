"""Calibration errors: by hand, and of shares that say how often answers are right."""

import numpy as np
import pytest

from edgecnn.pipeline.calibrate import calibration_error


def test_the_calibration_error_is_the_mean_gap_between_score_and_accuracy() -> None:
    shares = np.array([[0.9, 0.1]] * 8 + [[0.6, 0.4]] * 2)
    truth = np.array([0] * 6 + [1] * 2 + [0] * 2)
    error = calibration_error.expected_pp(shares, truth)
    assert error.value == pytest.approx(100 * (abs(8 * 0.9 - 6) + abs(2 * 0.6 - 2)) / 10)
    assert error.low < error.value < error.high


def test_scores_that_are_right_as_often_as_they_say_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    best = rng.uniform(0.5, 1, 20_000)
    truth = (rng.uniform(size=20_000) > best).astype(np.int64)
    error = calibration_error.expected_pp(np.stack([best, 1 - best], axis=1), truth)
    assert error.value < error.high < 2


def test_the_loss_is_the_mean_logarithm_of_the_true_classes_share() -> None:
    shares, truth = np.array([[0.5, 0.5], [0.8, 0.2], [0.1, 0.9]]), np.array([0, 0, 0])
    loss = calibration_error.loss(shares, truth)
    assert loss.value == pytest.approx(-np.log([0.5, 0.8, 0.1]).mean())
    assert loss.low < loss.value < loss.high


def test_a_share_of_nothing_is_a_large_loss_and_no_infinity() -> None:
    assert calibration_error.loss(np.array([[0.0, 1.0]]), np.array([0])).value == pytest.approx(-np.log(1e-12))
