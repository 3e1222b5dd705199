"""Where two files part: the first layer whose output differs, found by running prefixes of both."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.checks.verify import prefixes, weights
from edgecnn.checks.verify.align import SHUFFLES, Pair, align, kind
from edgecnn.checks.verify.replay import Seat, pictures
from edgecnn.checks.verify.weights import Weights
from edgecnn.common import scratch
from edgecnn.formats import Inner

PICTURES = 16
"""Shown to every prefix: those whose outputs differ the most."""
EXAMPLES = 4


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far two values may be apart before they differ."""

    lsb: int = 0
    """Of integers, in steps of their scale."""
    relative: float = 1e-5
    """Of floats, by the largest magnitude of their tensor: kernels sum in different orders."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The first layer that differs. "before" and "after" are the two files, in the order of their comparison."""

    depth: int
    """Its place among the layers that correspond, from 1."""
    layers: int
    """How many correspond."""
    before: str
    """Name of the tensor."""
    after: str
    before_operator: str
    after_operator: str
    shape: tuple[int, ...]
    """As the file before has it."""
    pictures: int
    values: int
    differing: int
    """Values of those pictures that differ by more than the tolerance."""
    max_difference: float
    """In real numbers, scale * steps where it is quantised; of values that are numbers in both."""
    max_lsb: int | None
    """In steps; None for a float tensor, and where the two scales differ."""
    scales: tuple[float, ...]
    """(before, after) where both are quantised."""
    zero_points: tuple[int, ...]
    examples: tuple[tuple[float, float], ...]
    """Differing values, (before, after), as stored; the same real number may be stored as int8 and uint8."""
    probes: int
    """Layers that were run."""
    uncompared: tuple[str, ...]
    """Layers of either file that stand between it and those that agree, and have no counterpart in the other."""
    walked: bool
    """True: every layer before it was run and agrees. False: found by bisection alone."""
    same_file: bool
    """One file in two places, not two files."""
    weights: Weights | None
    """The layer's weights in two files; None if it has none."""


def first_difference(
    before: Seat, after: Seat, images: npt.NDArray[np.uint8], chosen: list[int], tolerance: Tolerance
) -> Layer | None:
    """The first layer in which two files of one net differ on the `chosen` of the pictures (N, H, W, C).

    None if no layer corresponds, or if all that do agree: then the difference arises behind the last of them.

    Bisection finds a layer that differs behind one that agrees. It is the first if a difference never vanishes.
    One step of an integer can vanish when the next layer rounds, and one on a side branch is not seen from the
    main one: there every layer before it is run as well, from the front.
    """
    ours, theirs = prefixes.tensors(before.path), prefixes.tensors(after.path)
    pairs = align(ours, theirs, across=before.path.suffix != after.path.suffix)
    with scratch.folder() as folder:
        probe = _Probe(before, after, pictures(images, chosen, Path(folder)), tolerance)
        while pairs and probe(pairs[-1]).differing:
            place, walked = search(len(pairs), lambda i: probe(pairs[i]).differing > 0, walk=_can_vanish(pairs))
            if place + 1 < len(pairs) and _loose(pairs[place]) and not probe(pairs[place + 1]).differing:
                del pairs[place]  # what lies behind agrees, so these two never corresponded
                continue
            pair, same_file = pairs[place], before.path == after.path
            held = None if same_file else weights.compare(before.path, pair.before, after.path, pair.after)
            return Layer(
                depth=place + 1,
                layers=len(pairs),
                pictures=len(chosen),
                probes=len(probe.known),
                uncompared=(
                    *_uncompared(pair.before, ours, {one.before.name for one in pairs}),
                    *_uncompared(pair.after, theirs, {one.after.name for one in pairs}),
                ),
                walked=walked,
                same_file=same_file,
                weights=held,
                **_described(pair, probe(pair)),
            )
    return None


def search(count: int, differs: Callable[[int], bool], walk: bool) -> tuple[int, bool]:
    """(the first of `count` places that differs, whether all before it were tried); the last is known to differ.

    `differs` is asked again for a place it has answered, so it should remember. Without `walk` only as many
    places are tried as bisection takes.
    """
    low, high = -1, count - 1  # low agrees, or stands before the first; high differs
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if differs(middle) else (middle, high)
    if not walk:
        return high, False
    return next((i for i in range(high) if differs(i)), high), True


@dataclass(frozen=True)
class _Found:
    """Two tensors' values on the same pictures."""

    values: int
    differing: int
    max_difference: float
    max_lsb: int | None
    examples: tuple[tuple[float, float], ...]


class _Probe:
    """Runs both prefixes of a pair and remembers what came out."""

    def __init__(self, before: Seat, after: Seat, images: Path, tolerance: Tolerance) -> None:
        self._seats = before, after
        self._images = images
        self._tolerance = tolerance
        self.known: dict[tuple[str, str], _Found] = {}

    def __call__(self, pair: Pair) -> _Found:
        key = pair.before.name, pair.after.name
        if key not in self.known:
            ours, theirs = (
                seat.inner(tensor, self._images)
                for seat, tensor in zip(self._seats, (pair.before, pair.after), strict=True)
            )
            candidates = [_compare(pair, order(ours), theirs, self._tolerance) for order in pair.orders()]
            self.known[key] = min(candidates, key=lambda found: (found.differing, found.max_difference))
        return self.known[key]


def _compare(pair: Pair, ours: npt.NDArray[Any], theirs: npt.NDArray[Any], tolerance: Tolerance) -> _Found:
    """Flat outputs (N, K) of the two."""
    a, b = _real(ours, pair.before), _real(theirs, pair.after)
    numbers = np.isfinite(a) & np.isfinite(b)
    difference = np.abs(np.subtract(a, b, where=numbers, out=np.zeros_like(a)))
    if pair.same_scale:
        steps = np.rint(difference / (pair.before.scale or 1.0)).astype(np.int64)
        apart, max_lsb = steps > tolerance.lsb, int(steps.max(initial=0))
    else:
        largest = max(float(np.abs(one[numbers]).max(initial=0.0)) for one in (a, b))
        apart, max_lsb = difference > tolerance.relative * largest, None
    shown = np.argwhere(apart)[:EXAMPLES]
    examples = tuple((float(ours[tuple(place)]), float(theirs[tuple(place)])) for place in shown)
    apart |= ~numbers & (a != b) & ~(np.isnan(a) & np.isnan(b))
    return _Found(apart.size, int(apart.sum()), float(difference.max(initial=0.0)), max_lsb, examples)


def _real(values: npt.NDArray[Any], tensor: Inner) -> npt.NDArray[np.float64]:
    """Stored values as the real numbers they stand for."""
    real = values.astype(np.float64)
    return real if tensor.scale is None else (real - (tensor.zero_point or 0)) * tensor.scale


def _can_vanish(pairs: list[Pair]) -> bool:
    """Whether a difference in one layer may be gone in the next: integers round, and branches pass by."""
    chain = all(later.before.inputs == (one.before.name,) for one, later in itertools.pairwise(pairs))
    return not chain or any(pair.before.scale is not None for pair in pairs)


def _uncompared(inner: Inner, tensors: tuple[Inner, ...], compared: set[str]) -> list[str]:
    """From a tensor back to what was compared: the layers on the way, shuffles left out."""
    written = {one.name: one for one in tensors}
    waiting, found = list(inner.inputs), dict[str, Inner]()
    while waiting:
        name = waiting.pop()
        if name in written and name not in compared and name not in found:
            found[name] = written[name]
            waiting += written[name].inputs
    return [f"{one.operator} {one.name}" for one in found.values() if kind(one.operator) not in SHUFFLES]


def _loose(pair: Pair) -> bool:
    """Whether the two were brought together by kind, shape and order alone: neither name nor scale says so."""
    return not pair.same_scale and pair.before.name != pair.after.name


def _described(pair: Pair, found: _Found) -> dict[str, Any]:
    """The fields of a Layer that say what it is and how far apart."""
    ours, theirs = pair.before, pair.after
    quantised = ours.scale is not None and theirs.scale is not None
    return {
        "before": ours.name,
        "after": theirs.name,
        "before_operator": ours.operator,
        "after_operator": theirs.operator,
        "shape": ours.shape,
        "values": found.values,
        "differing": found.differing,
        "max_difference": found.max_difference,
        "max_lsb": found.max_lsb,
        "scales": (ours.scale, theirs.scale) if quantised else (),
        "zero_points": (ours.zero_point, theirs.zero_point) if quantised else (),
        "examples": found.examples,
    }
