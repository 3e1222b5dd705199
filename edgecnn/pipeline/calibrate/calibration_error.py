"""Measure how well softmax shares match how often answers are right: calibration error, and a proper score."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgecnn.records.certainty import Bootstrapped, Fit

Shares = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]

BINS = 15
"""As many as in the paper that `expected_pp` follows."""
RESAMPLES = 1_000
SEED = 0
LEAST = 1e-12
"""The smallest share whose logarithm is taken."""


def fit(shares: Shares, truth: Classes) -> Fit:
    """Return how well the shares (N, K) fit the true classes (N,)."""
    return Fit(error_pp=expected_pp(shares, truth), loss=loss(shares, truth))


def expected_pp(shares: Shares, truth: Classes) -> Bootstrapped:
    """Return the expected calibration error in percentage points, and the ends of its 95 % interval.

    The answers are put into 15 bins of equal width by their scores; it is the mean, over all pictures, of the distance
    between a bin's mean score and its share of right answers (Guo et al., 2017, ICML, arXiv:1706.04599). The interval
    is that of the percentile bootstrap over pictures; the error is never below 0, and few pictures make it larger.
    """
    sure, correct = shares.max(1), (shares.argmax(1) == truth).astype(np.float64)
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    pictures = len(truth)

    def error(gaps: npt.NDArray[np.float64]) -> float:
        return float(np.abs(np.bincount(bins, gaps, minlength=BINS)).sum()) / pictures * 100

    rng, gaps = np.random.default_rng(SEED), sure - correct
    resampled = [
        error(gaps * np.bincount(rng.integers(0, pictures, pictures), minlength=pictures)) for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Bootstrapped(value=error(gaps), low=float(low), high=float(high))


def loss(shares: Shares, truth: Classes) -> Bootstrapped:
    """Return the mean negative log-likelihood of the true classes in nats, with its interval by the bootstrap."""
    losses = -np.log(np.maximum(shares[np.arange(len(truth)), truth], LEAST))
    rng = np.random.default_rng(SEED)
    resampled = [float(losses[rng.integers(0, len(losses), len(losses))].mean()) for _ in range(RESAMPLES)]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Bootstrapped(value=float(losses.mean()), low=float(low), high=float(high))
