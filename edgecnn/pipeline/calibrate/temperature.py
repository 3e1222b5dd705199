"""Temperature scaling: one number that makes the shares of a softmax as sure as they are right, and moves no answer.

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, 2017, ICML, arXiv:1706.04599.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgecnn.onboard.unknown import softmax
from edgecnn.pipeline.calibrate.calibration_error import LEAST, Classes

WIDEST = 20.0
"""Temperatures from 1 / WIDEST to WIDEST are tried."""
PRECISION = 1e-4
"""The relative precision of the temperature."""


def fitted(logits: npt.NDArray[np.float32], truth: Classes) -> float:
    """Return the temperature under which the softmax of logits (N, K) has the smallest cross-entropy.

    The true class is to have not all of the share but (N + 1) / (N + 2) of it, and the other classes the rest in equal
    parts: J. Platt's targets (1999, Probabilistic outputs for support vector machines). Without them, a file that is
    right on all of a few pictures would be as sure as can be.
    """
    count, classes = logits.shape
    others = 1 / (count + 2)
    targets = np.full((count, classes), others / (classes - 1))
    targets[np.arange(count), truth] = 1 - others
    whole = logits.astype(np.float64)

    def loss(power: float) -> float:
        return float(-(targets * np.log(np.maximum(softmax(whole / math.exp(power)), LEAST))).sum())

    # The loss is convex in 1 / temperature, so it has one minimum: the golden section finds it.
    low, high = -math.log(WIDEST), math.log(WIDEST)
    ratio = (math.sqrt(5) - 1) / 2
    while high - low > PRECISION:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return round(math.exp((low + high) / 2), 4)
