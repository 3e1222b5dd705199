"""Whether two layers that differ hold the same weights: if not, a file is the cause; if so, the kernels are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.checks.verify import prefixes
from edgecnn.formats import Inner

SAME = 1e-6
"""Relative to the largest: numbers that were written by two tools may be rounded twice."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights and biases of one layer in two files."""

    values: int
    differing: int
    max_difference: float
    largest: float
    """Magnitude, of the array in which `max_difference` occurs."""


def compare(before: Path, ours: Inner, after: Path, theirs: Inner) -> Weights | None:
    """The learnt constants of one layer in two files; None if it has none, or if they are of other shapes.

    A layout is told by its shape: of the orders of axes that make two arrays alike in shape the one counts
    in which the fewest numbers differ. An array that one file leaves out (a bias of zeros) is not compared.
    """
    a, b = (sorted(prefixes.constants(path, one), key=np.size) for path, one in ((before, ours), (after, theirs)))
    a, b = ([one for one in held if one.size > 1 or len(held) == 1] for held in (a, b))
    sizes = {one.size for one in a} & {one.size for one in b}
    pairs = list(zip(*([one for one in held if one.size in sizes] for held in (a, b)), strict=False))
    if not pairs:
        return None
    found = [_closest(x, y) for x, y in pairs]
    if any(one is None for one in found):
        return None
    parts = [one for one in found if one is not None]
    worst = max(parts, key=lambda one: one.max_difference / (one.largest or 1.0))
    return Weights(
        values=sum(one.values for one in parts),
        differing=sum(one.differing for one in parts),
        max_difference=worst.max_difference,
        largest=worst.largest,
    )


def _closest(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Weights | None:
    orders = [
        x.transpose(axes).reshape(y.shape)
        for axes in itertools.permutations(range(x.ndim))
        if [x.shape[axis] for axis in axes if x.shape[axis] > 1] == [size for size in y.shape if size > 1]
    ]
    found = min((_counted(one, y) for one in orders), key=lambda one: one.differing, default=None)
    if found is not None and found.differing > found.values / 2:
        # The inputs stand in another order, as behind a flattened picture: compare what there is, not where.
        return _counted(np.sort(x, axis=None), np.sort(y, axis=None))
    return found


def _counted(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Weights:
    numbers = np.isfinite(x) & np.isfinite(y)
    difference = np.abs(np.subtract(x, y, where=numbers, out=np.zeros_like(x)))
    largest = float(np.abs(y[numbers]).max(initial=0.0))
    return Weights(
        values=y.size,
        differing=int(((difference > SAME * largest) | (np.isfinite(x) != np.isfinite(y))).sum()),
        max_difference=float(difference.max(initial=0.0)),
        largest=largest,
    )
