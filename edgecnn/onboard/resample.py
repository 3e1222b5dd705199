"""Another sample rate for a sound, by a windowed sinc in whole numbers: every machine makes the same samples."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError

LOBES = 16
"""Zero crossings of the sinc on either side, counted at the lower of the two rates."""
TAP_BITS = 16
ROOM = 0.94
"""The share of the lower rate's half that is kept; above it the filter falls off."""
MOST_TAPS = 1_000_000
BLOCK = 4_096
LEAST_HZ, MOST_HZ = 4_000, 192_000


def resample(samples: npt.NDArray[np.int16], from_hz: int, to_hz: int) -> npt.NDArray[np.int16]:
    """Return samples (n,) at another rate, ceil(n * to_hz / from_hz) of them.

    Raises:
        DataError: The rate is out of range, or has no simple ratio to the wanted one.
    """
    if from_hz == to_hz:
        return samples
    if not LEAST_HZ <= from_hz <= MOST_HZ:
        raise DataError(f"A sound of {from_hz:,} samples a second is not read.", f"{LEAST_HZ:,} to {MOST_HZ:,} are")
    common = math.gcd(from_hz, to_hz)
    up, down = to_hz // common, from_hz // common
    half = math.ceil(LOBES * max(1.0, from_hz / to_hz))
    if up * 2 * half > MOST_TAPS:
        raise DataError(
            f"{from_hz:,} samples a second have no simple ratio to {to_hz:,}.",
            f"record it at {to_hz:,} samples a second",
        )
    taps = _taps(up, down, half)  # (up, 2 half)
    padded = np.concatenate([np.zeros(half), samples, np.zeros(half + 1)]).astype(np.float64)
    count = -(-len(samples) * up // down)
    out = np.empty(count, dtype=np.int16)
    for start in range(0, count, BLOCK):
        place = np.arange(start, min(start + BLOCK, count)) * down
        around = padded[(place // up)[:, None] + np.arange(1, 2 * half + 1)]  # (n, 2 half)
        sums = np.einsum("ij,ij->i", around, taps[place % up])  # whole numbers below 2^53: exact in any order
        out[start : start + BLOCK] = np.rint(sums / 2**TAP_BITS).clip(-32_768, 32_767)
    return out


@functools.lru_cache(maxsize=4)
def _taps(up: int, down: int, half: int) -> npt.NDArray[np.float64]:
    """Return the filter for each of the `up` places between two samples, as whole numbers (up, 2 half)."""
    cut = ROOM * min(1.0, up / down)
    rows = []
    for phase in range(up):
        row = []
        for index in range(2 * half):
            distance = index + 1 - half - phase / up  # in samples of the sound
            window = 0.5 + 0.5 * math.cos(math.pi * min(1.0, abs(distance) / half))
            turn = math.pi * cut * distance
            row.append(round(2**TAP_BITS * cut * window * (math.sin(turn) / turn if turn else 1.0)))
        rows.append(row)
    return np.array(rows, dtype=np.float64)
