"""Which inner tensors of two files of one net are the same: by name, or by kind, shape, scale and order."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.formats import Inner

KINDS = {
    "depthwiseconv": "conv",
    "gemm": "dense",
    "qgemm": "dense",
    "matmul": "dense",
    "fullyconnected": "dense",
    "batchmatmul": "dense",
    "globalaveragepool": "mean",
    "averagepool": "mean",
    "reducemean": "mean",
    "relu": "activation",
    "relu6": "activation",
    "leakyrelu": "activation",
    "clip": "activation",
    "quantizelinear": "quantize",
    "dequantizelinear": "dequantize",
}
"""What the formats call differently, by `kind`'s plain spelling."""
FUSES_INTO = {"conv", "dense", "add", "sub", "mul"}
"""TFLite files hold an activation or a bias inside these."""
SHUFFLES = {"reshape", "flatten", "transpose", "squeeze", "unsqueeze", "expanddims"}
"""They compute nothing, and a flattened picture has another order in each layout: left out across formats."""
SAME_SCALE = 1e-6
"""Relative: a scale that was written twice may be rounded twice."""

Order = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
"""(N, K) -> (N, K): the values of one layout in another's order."""


@dataclass(frozen=True)
class Pair:
    """Two tensors that should hold the same numbers."""

    before: Inner
    after: Inner
    across: bool
    """From one format to another: the layouts may differ."""

    @property
    def same_scale(self) -> bool:
        """Whether both are quantised alike; int8 with zero point z and uint8 with z + 128 are."""
        a, b = self.before, self.after
        if a.scale is None or b.scale is None:
            return False
        return math.isclose(a.scale, b.scale, rel_tol=SAME_SCALE) and _signed_zero(a) == _signed_zero(b)

    def orders(self) -> Iterator[Order]:
        """How the values of `before` may be brought into the order of `after`; more than one if shapes leave it open.

        ONNX keeps pictures as (N, C, H, W), TFLite as (N, H, W, C).
        """
        shape = self.before.shape
        if not shape or _squeezed(shape) == _squeezed(self.after.shape):
            yield lambda values: values
        for axes in ((0, 2, 3, 1), (0, 3, 1, 2)) if self.across and len(shape) == 4 else ():
            if _squeezed(tuple(shape[axis] for axis in axes)) == _squeezed(self.after.shape):
                yield functools.partial(_moved, shape=shape, axes=axes)


def align(ours: Sequence[Inner], theirs: Sequence[Inner], across: bool) -> list[Pair]:
    """The tensors of two files that correspond, in execution order.

    Files of one format with the same tensor names correspond by them. Otherwise a value is taken behind its
    activation and bias, and the two sequences are aligned so that the most layers of one kind and shape, and of
    those the most with one scale, stand beside each other (S. B. Needleman and C. D. Wunsch, 1970, J. Mol. Biol.
    48:443).
    """
    if not across and [one.name for one in ours] == [one.name for one in theirs]:
        return [Pair(a, b, across) for a, b in zip(ours, theirs, strict=True)]
    ours, theirs = ([one for one in _fused(side) if kind(one.operator) not in SHUFFLES] for side in (ours, theirs))

    def likeness(i: int, j: int) -> int:
        return _likeness(Pair(ours[i], theirs[j], across))

    best = np.zeros((len(ours) + 1, len(theirs) + 1), np.int64)
    for i in range(len(ours) - 1, -1, -1):
        for j in range(len(theirs) - 1, -1, -1):
            beside = likeness(i, j)
            best[i, j] = max(best[i + 1, j], best[i, j + 1], beside + best[i + 1, j + 1] if beside else 0)
    pairs, i, j = [], 0, 0
    while i < len(ours) and j < len(theirs):
        beside = likeness(i, j)
        if beside and best[i, j] == beside + best[i + 1, j + 1]:
            pairs.append(Pair(ours[i], theirs[j], across))
            i, j = i + 1, j + 1
        elif best[i, j] == best[i + 1, j]:
            i += 1
        else:
            j += 1
    return pairs


def kind(operator: str) -> str:
    """One word for what both formats do: "conv" for Conv, QLinearConv, CONV_2D and DEPTHWISE_CONV_2D."""
    plain = operator.lower().replace("_", "").removeprefix("qlinear").removesuffix("2d")
    return KINDS.get(plain, plain)


def _fused(tensors: Sequence[Inner]) -> list[Inner]:
    """Without the values that an activation or a bias takes up at once: its result stands for the whole layer."""
    readers: dict[str, list[Inner]] = {}
    for one in tensors:
        for name in one.inputs:
            readers.setdefault(name, []).append(one)
    taken: dict[str, Inner] = {}  # tensor -> the layer whose operator it stands for
    kept: list[Inner] = []
    for one in tensors:
        layer = taken.get(one.name, one)
        next_ones = readers.get(one.name, [])
        if kind(layer.operator) in FUSES_INTO and len(next_ones) == 1 and _closes(next_ones[0], layer):
            taken[next_ones[0].name] = layer
            continue
        kept.append(dataclasses.replace(one, operator=layer.operator, inputs=layer.inputs))
    return kept


def _closes(one: Inner, layer: Inner) -> bool:
    word = kind(one.operator)
    return word == "activation" or (
        word == "add" and len(one.inputs) == 1 and kind(layer.operator) in ("conv", "dense")
    )


def _likeness(pair: Pair) -> int:
    """0 for two that cannot be the same, 1 for the same kind and shape, 2 with the same scale as well."""
    a, b = pair.before, pair.after
    if kind(a.operator) != kind(b.operator) or a.dtype.startswith("float") != b.dtype.startswith("float"):
        return 0
    if next(pair.orders(), None) is None:
        return 0
    return 2 if pair.same_scale else 1


def _moved(values: npt.NDArray[Any], shape: tuple[int, ...], axes: tuple[int, ...]) -> npt.NDArray[Any]:
    return values.reshape(len(values), *shape[1:]).transpose(axes).reshape(len(values), -1)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _signed_zero(tensor: Inner) -> int:
    """The zero point as an int8 tensor has it."""
    return (tensor.zero_point or 0) - (128 if tensor.dtype == "uint8" else 0)
