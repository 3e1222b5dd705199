"""Matches the inner tensors of two files of one net: by name, or by kind, shape, scale and order."""

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
"""One name for operators that the formats name differently, by their plain spelling (see `kind`)."""
FUSES_INTO = {"conv", "dense", "add", "sub", "mul"}
"""Kinds into which TFLite files fuse an activation or a bias."""
SHUFFLES = {"reshape", "flatten", "transpose", "squeeze", "unsqueeze", "expanddims"}
"""Kinds that compute nothing. They are not matched across formats: layouts flatten an image in different orders."""
SAME_SCALE = 1e-6
"""Relative tolerance of equal scales, for two tools may round one scale differently."""

Order = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
"""(N, K) -> (N, K): brings the values of one layout into the order of another."""


@dataclass(frozen=True)
class TensorPair:
    """Two tensors that should hold the same values."""

    before: Inner
    after: Inner
    across: bool
    """Whether the files have different formats, so that the layouts may differ."""

    @property
    def same_scale(self) -> bool:
        """True if both are quantised alike, such as int8 with zero point z and uint8 with z + 128."""
        a, b = self.before, self.after
        if a.scale is None or b.scale is None:
            return False
        return math.isclose(a.scale, b.scale, rel_tol=SAME_SCALE) and _signed_zero(a) == _signed_zero(b)

    def orders(self) -> Iterator[Order]:
        """Yield the ways to bring the values of `before` into the order of `after`; the shapes may allow several.

        ONNX stores images as (N, C, H, W), TFLite as (N, H, W, C).
        """
        shape = self.before.shape
        if not shape or _squeezed(shape) == _squeezed(self.after.shape):
            yield lambda values: values
        for axes in ((0, 2, 3, 1), (0, 3, 1, 2)) if self.across and len(shape) == 4 else ():
            if _squeezed(tuple(shape[axis] for axis in axes)) == _squeezed(self.after.shape):
                yield functools.partial(_moved, shape=shape, axes=axes)


def align(ours: Sequence[Inner], theirs: Sequence[Inner], across: bool) -> list[TensorPair]:
    """Return the pairs of tensors of two files that correspond, in execution order.

    Files of one format with the same tensor names are matched by name. Otherwise activations and biases are first
    fused into their layers; then the two sequences are aligned so that as many layers as possible have the same kind
    and shape, preferably the same scale too (S. B. Needleman and C. D. Wunsch, 1970, J. Mol. Biol. 48:443).

    Args:
        ours: Tensors of the first file, in execution order.
        theirs: Tensors of the second file, in execution order.
        across: Whether the files have different formats.
    """
    if not across and [t.name for t in ours] == [t.name for t in theirs]:
        return [TensorPair(a, b, across) for a, b in zip(ours, theirs, strict=True)]
    ours, theirs = ([t for t in _fused(side) if kind(t.operator) not in SHUFFLES] for side in (ours, theirs))

    def likeness(i: int, j: int) -> int:
        return _likeness(TensorPair(ours[i], theirs[j], across))

    best = np.zeros((len(ours) + 1, len(theirs) + 1), np.int64)
    for i in range(len(ours) - 1, -1, -1):
        for j in range(len(theirs) - 1, -1, -1):
            score = likeness(i, j)
            best[i, j] = max(best[i + 1, j], best[i, j + 1], score + best[i + 1, j + 1] if score else 0)
    pairs, i, j = [], 0, 0
    while i < len(ours) and j < len(theirs):
        score = likeness(i, j)
        if score and best[i, j] == score + best[i + 1, j + 1]:
            pairs.append(TensorPair(ours[i], theirs[j], across))
            i, j = i + 1, j + 1
        elif best[i, j] == best[i + 1, j]:
            i += 1
        else:
            j += 1
    return pairs


def kind(operator: str) -> str:
    """Return the name both formats share: "conv" for Conv, QLinearConv, CONV_2D and DEPTHWISE_CONV_2D."""
    plain = operator.lower().replace("_", "").removeprefix("qlinear").removesuffix("2d")
    return KINDS.get(plain, plain)


def _fused(tensors: Sequence[Inner]) -> list[Inner]:
    """Leave out tensors that only an activation or a bias reads; its result stands for the whole layer."""
    readers: dict[str, list[Inner]] = {}
    for tensor in tensors:
        for name in tensor.inputs:
            readers.setdefault(name, []).append(tensor)
    stands_for: dict[str, Inner] = {}  # name -> the layer for which the tensor stands
    remaining: list[Inner] = []
    for tensor in tensors:
        layer = stands_for.get(tensor.name, tensor)
        next_tensors = readers.get(tensor.name, [])
        if kind(layer.operator) in FUSES_INTO and len(next_tensors) == 1 and _closes(next_tensors[0], layer):
            stands_for[next_tensors[0].name] = layer
            continue
        remaining.append(dataclasses.replace(tensor, operator=layer.operator, inputs=layer.inputs))
    return remaining


def _closes(tensor: Inner, layer: Inner) -> bool:
    word = kind(tensor.operator)
    return word == "activation" or (
        word == "add" and len(tensor.inputs) == 1 and kind(layer.operator) in ("conv", "dense")
    )


def _likeness(pair: TensorPair) -> int:
    """Return 0 for a pair that cannot be the same, 1 for the same kind and shape, 2 if the scale is the same too."""
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
    """Return the zero point as that of an int8 tensor."""
    return (tensor.zero_point or 0) - (128 if tensor.dtype == "uint8" else 0)
