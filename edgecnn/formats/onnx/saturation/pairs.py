"""Neighbouring weights, and whether the sum of their products with some uint8 inputs exceeds 16 bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LARGEST_INPUT = 255
INT16 = np.iinfo(np.int16)


def paired(rows: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Pair neighbours in the order of multiplication: (..., n) -> (..., pairs, 2), padded with 0 if n is odd."""
    odd = rows.shape[-1] % 2
    even = np.pad(rows.astype(np.int32), [(0, 0)] * (rows.ndim - 1) + [(0, odd)])
    return even.reshape(*rows.shape[:-1], -1, 2)


def can_pass(weights: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Return for pairs of weights (..., 2) whether there are uint8 inputs whose products sum to more than int16 holds.

    The largest sum has inputs of 255 where a weight is positive and 0 elsewhere, the least sum the reverse.
    """
    largest = LARGEST_INPUT * weights.clip(min=0).sum(-1)
    least = LARGEST_INPUT * weights.clip(max=0).sum(-1)
    return np.asarray((largest > INT16.max) | (least < INT16.min))


def passing(rows: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Return (K,): whether some input makes a pair in a row of weights (K, n) exceed 16 bits."""
    return np.asarray(can_pass(paired(rows)).any(-1))
