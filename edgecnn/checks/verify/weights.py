"""Compares the weights of a layer in two files: if they are the same, the kernels differ, not the files."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.checks.verify import prefixes
from edgecnn.formats import Inner

SAME = 1e-6
"""Tolerance relative to the largest magnitude, for two tools may round one number differently."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """The differences between the weights and biases of one layer in two files."""

    values: int
    differing: int
    max_difference: float
    largest: float
    """Largest magnitude in the array in which `max_difference` occurs."""


def compare(before: Path, ours: Inner, after: Path, theirs: Inner) -> Weights | None:
    """Compare the weights and biases of a layer in two files; return None if it has none or their shapes do not fit.

    Layouts are not known: among the orders of axes that give two arrays the same shape, the one in which the fewest
    values differ counts. An array that one file leaves out, such as a bias of zeros, is not compared.
    """
    a, b = (sorted(prefixes.constants(path, layer), key=np.size) for path, layer in ((before, ours), (after, theirs)))
    a, b = ([array for array in arrays if array.size > 1 or len(arrays) == 1] for arrays in (a, b))
    sizes = {array.size for array in a} & {array.size for array in b}
    pairs = list(zip(*([array for array in arrays if array.size in sizes] for arrays in (a, b)), strict=False))
    if not pairs:
        return None
    comparisons = [_closest(x, y) for x, y in pairs]
    if any(comparison is None for comparison in comparisons):
        return None
    parts = [comparison for comparison in comparisons if comparison is not None]
    worst = max(parts, key=lambda part: part.max_difference / (part.largest or 1.0))
    return Weights(
        values=sum(part.values for part in parts),
        differing=sum(part.differing for part in parts),
        max_difference=worst.max_difference,
        largest=worst.largest,
    )


def _closest(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Weights | None:
    orders = [
        x.transpose(axes).reshape(y.shape)
        for axes in itertools.permutations(range(x.ndim))
        if [x.shape[axis] for axis in axes if x.shape[axis] > 1] == [size for size in y.shape if size > 1]
    ]
    closest = min((_counted(order, y) for order in orders), key=lambda comparison: comparison.differing, default=None)
    if closest is not None and closest.differing > closest.values / 2:
        # The inputs have another order, as behind a flattened image: compare the values regardless of position.
        return _counted(np.sort(x, axis=None), np.sort(y, axis=None))
    return closest


def _counted(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Weights:
    finite = np.isfinite(x) & np.isfinite(y)
    difference = np.abs(np.subtract(x, y, where=finite, out=np.zeros_like(x)))
    largest = float(np.abs(y[finite]).max(initial=0.0))
    return Weights(
        values=y.size,
        differing=int(((difference > SAME * largest) | (np.isfinite(x) != np.isfinite(y))).sum()),
        max_difference=float(difference.max(initial=0.0)),
        largest=largest,
    )
