"""Two neighbouring weights, and whether some two uint8 inputs make their products add up to more than 16 bits hold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LARGEST_INPUT = 255
INT16 = np.iinfo(np.int16)


def of(rows: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """(..., n) in the order in which a kernel multiplies them -> (..., pairs, 2), a zero behind an odd last one."""
    odd = rows.shape[-1] % 2
    even = np.pad(rows.astype(np.int32), [(0, 0)] * (rows.ndim - 1) + [(0, odd)])
    return even.reshape(*rows.shape[:-1], -1, 2)


def can_pass(weights: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Of pairs of weights (..., 2): whether uint8 inputs exist whose products add up to what int16 cannot hold.

    The largest sum has 255 where a weight is positive and 0 elsewhere, the least the other way round.
    """
    largest = LARGEST_INPUT * weights.clip(min=0).sum(-1)
    least = LARGEST_INPUT * weights.clip(max=0).sum(-1)
    return np.asarray((largest > INT16.max) | (least < INT16.min))


def passing(rows: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Of rows of weights (K, n), one for each output channel: in which some input makes a pair pass 16 bits, (K,)."""
    return np.asarray(can_pass(of(rows)).any(-1))
