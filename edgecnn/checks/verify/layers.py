"""Finds the first layer in which two files differ, by running prefixes of both."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.checks.verify import prefixes, weights
from edgecnn.checks.verify.align import SHUFFLES, TensorPair, align, kind
from edgecnn.checks.verify.replay import Seat, pictures
from edgecnn.checks.verify.weights import Weights
from edgecnn.common import scratch
from edgecnn.formats import Inner

PICTURES = 16
"""How many images each prefix runs on: those whose outputs differ the most."""
EXAMPLES = 4
"""How many differing values are kept as examples."""


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """The largest difference at which two values still count as equal."""

    lsb: int = 0
    """Tolerance of integers with the same scale, in steps."""
    relative: float = 1e-5
    """Tolerance of floats relative to the largest magnitude of the tensor; kernels sum in different orders."""


@dataclass(frozen=True, kw_only=True)
class ComparedLayer:
    """The first layer that differs between two files, called before and after."""

    depth: int
    """Position among the layers that correspond, from 1."""
    layers: int
    """Number of layers that correspond."""
    before: str
    """Name of the tensor in the file before."""
    after: str
    before_operator: str
    after_operator: str
    shape: tuple[int, ...]
    """Shape of the tensor in the file before."""
    pictures: int
    values: int
    differing: int
    """Number of values that differ by more than the tolerance."""
    max_difference: float
    """Largest difference of finite values, as real numbers (scale * steps if quantised)."""
    max_lsb: int | None
    """Largest difference in steps; None for a float tensor, or if the two scales differ."""
    scales: tuple[float, ...]
    """(before, after) if both are quantised, or else empty."""
    zero_points: tuple[int, ...]
    examples: tuple[tuple[float, float], ...]
    """Some differing values (before, after), as stored; int8 and uint8 store one real number differently."""
    probes: int
    """Number of layers that were run."""
    uncompared: tuple[str, ...]
    """Layers of either file between this one and those that agree, without a counterpart in the other file."""
    walked: bool
    """Whether all layers before it were run and agree; otherwise it was found by bisection alone."""
    same_file: bool
    """Whether both are the same file, run in two places."""
    weights: Weights | None
    """Comparison of the layer's weights in the two files; None if it has none."""


def first_difference(
    before: Seat, after: Seat, images: npt.NDArray[np.uint8], chosen: list[int], tolerance: Tolerance
) -> ComparedLayer | None:
    """Find the first layer in which two files of one net differ.

    Bisection finds a layer that differs behind one that agrees. That is the first one, unless differences can vanish:
    an integer step is lost when the next layer rounds, and one on a side branch is not seen from the main one. In such
    nets all layers before it are run as well, from the front.

    Args:
        before: The first file and where it runs.
        after: The second file and where it runs.
        images: All test images, uint8 (N, H, W, C).
        chosen: Indices of the images to run.
        tolerance: How far two values may be apart.

    Returns:
        The layer; None if no layers correspond, or if all that do agree, so that the difference arises behind them.
    """
    ours, theirs = prefixes.tensors(before.path), prefixes.tensors(after.path)
    pairs = align(ours, theirs, across=before.path.suffix != after.path.suffix)
    with scratch.folder() as folder:
        probe = _Probe(before, after, pictures(images, chosen, Path(folder)), tolerance)
        while pairs and probe(pairs[-1]).differing:
            index, walked = search(len(pairs), lambda i: probe(pairs[i]).differing > 0, walk=_can_vanish(pairs))
            if index + 1 < len(pairs) and _loose(pairs[index]) and not probe(pairs[index + 1]).differing:
                del pairs[index]  # the next pair agrees, so this pair does not correspond
                continue
            pair, same_file = pairs[index], before.path == after.path
            layer_weights = None if same_file else weights.compare(before.path, pair.before, after.path, pair.after)
            return ComparedLayer(
                depth=index + 1,
                layers=len(pairs),
                pictures=len(chosen),
                probes=len(probe.known),
                uncompared=(
                    *_uncompared(pair.before, ours, {pair.before.name for pair in pairs}),
                    *_uncompared(pair.after, theirs, {pair.after.name for pair in pairs}),
                ),
                walked=walked,
                same_file=same_file,
                weights=layer_weights,
                **_described(pair, probe(pair)),
            )
    return None


def search(count: int, differs: Callable[[int], bool], walk: bool) -> tuple[int, bool]:
    """Find the first of `count` indices that differs; the last one is known to differ.

    Args:
        count: Number of indices.
        differs: Whether an index differs; it is asked repeatedly, so it should remember its answers.
        walk: Try all indices before the one that bisection finds, in case differences vanish.

    Returns:
        (the index, whether all indices before it were tried).
    """
    low, high = -1, count - 1  # low agrees or is -1; high differs
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if differs(middle) else (middle, high)
    if not walk:
        return high, False
    return next((i for i in range(high) if differs(i)), high), True


@dataclass(frozen=True)
class _TensorDifference:
    """The differences between the values of two tensors on the same images."""

    values: int
    differing: int
    max_difference: float
    max_lsb: int | None
    examples: tuple[tuple[float, float], ...]


class _Probe:
    """Runs both prefixes of a pair and remembers the result."""

    def __init__(self, before: Seat, after: Seat, images: Path, tolerance: Tolerance) -> None:
        self._seats = before, after
        self._images = images
        self._tolerance = tolerance
        self.known: dict[tuple[str, str], _TensorDifference] = {}

    def __call__(self, pair: TensorPair) -> _TensorDifference:
        key = pair.before.name, pair.after.name
        if key not in self.known:
            ours, theirs = (
                seat.inner(tensor, self._images)
                for seat, tensor in zip(self._seats, (pair.before, pair.after), strict=True)
            )
            candidates = [_compare(pair, order(ours), theirs, self._tolerance) for order in pair.orders()]
            self.known[key] = min(candidates, key=lambda difference: (difference.differing, difference.max_difference))
        return self.known[key]


def _compare(
    pair: TensorPair, ours: npt.NDArray[Any], theirs: npt.NDArray[Any], tolerance: Tolerance
) -> _TensorDifference:
    """Compare the outputs (N, K) of a pair of tensors."""
    a, b = _real(ours, pair.before), _real(theirs, pair.after)
    finite = np.isfinite(a) & np.isfinite(b)
    difference = np.abs(np.subtract(a, b, where=finite, out=np.zeros_like(a)))
    if pair.same_scale:
        steps = np.rint(difference / (pair.before.scale or 1.0)).astype(np.int64)
        apart, max_lsb = steps > tolerance.lsb, int(steps.max(initial=0))
    else:
        largest = max(float(np.abs(values[finite]).max(initial=0.0)) for values in (a, b))
        apart, max_lsb = difference > tolerance.relative * largest, None
    shown = np.argwhere(apart)[:EXAMPLES]
    examples = tuple((float(ours[tuple(index)]), float(theirs[tuple(index)])) for index in shown)
    apart |= ~finite & (a != b) & ~(np.isnan(a) & np.isnan(b))
    return _TensorDifference(apart.size, int(apart.sum()), float(difference.max(initial=0.0)), max_lsb, examples)


def _real(values: npt.NDArray[Any], tensor: Inner) -> npt.NDArray[np.float64]:
    """Return stored values as the real numbers they stand for."""
    real = values.astype(np.float64)
    return real if tensor.scale is None else (real - (tensor.zero_point or 0)) * tensor.scale


def _can_vanish(pairs: list[TensorPair]) -> bool:
    """Return whether a difference in one layer may be gone in the next, by rounding or a branch that passes by."""
    chain = all(next_pair.before.inputs == (pair.before.name,) for pair, next_pair in itertools.pairwise(pairs))
    return not chain or any(pair.before.scale is not None for pair in pairs)


def _uncompared(inner: Inner, tensors: tuple[Inner, ...], compared: set[str]) -> list[str]:
    """Return the layers between a tensor and those that were compared, going backwards, without shuffles."""
    by_name = {tensor.name: tensor for tensor in tensors}
    pending, uncompared = list(inner.inputs), dict[str, Inner]()
    while pending:
        name = pending.pop()
        if name in by_name and name not in compared and name not in uncompared:
            uncompared[name] = by_name[name]
            pending += by_name[name].inputs
    return [
        f"{tensor.operator} {tensor.name}" for tensor in uncompared.values() if kind(tensor.operator) not in SHUFFLES
    ]


def _loose(pair: TensorPair) -> bool:
    """Return whether only kind, shape and order say that the two correspond, neither name nor scale."""
    return not pair.same_scale and pair.before.name != pair.after.name


def _described(pair: TensorPair, difference: _TensorDifference) -> dict[str, Any]:
    """Return the fields of a Layer that describe the tensors and their difference."""
    ours, theirs = pair.before, pair.after
    quantised = ours.scale is not None and theirs.scale is not None
    return {
        "before": ours.name,
        "after": theirs.name,
        "before_operator": ours.operator,
        "after_operator": theirs.operator,
        "shape": ours.shape,
        "values": difference.values,
        "differing": difference.differing,
        "max_difference": difference.max_difference,
        "max_lsb": difference.max_lsb,
        "scales": (ours.scale, theirs.scale) if quantised else (),
        "zero_points": (ours.zero_point, theirs.zero_point) if quantised else (),
        "examples": difference.examples,
    }
