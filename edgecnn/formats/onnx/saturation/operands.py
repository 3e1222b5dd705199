"""The inputs of an int8 operator as rows that match the rows of its weights, with the same neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.formats.onnx.saturation import kernels
from edgecnn.formats.onnx.saturation.kernels import Kernel


def rows(
    kernel: Kernel, x: npt.NDArray[Any], model: Any
) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]:
    """Yield rows of inputs (M, n) that match rows of weights, with the output channels of those weights."""
    rows = len(kernel.rows)
    if not kernel.is_convolution:
        if kernel.operator == "QGemm" and kernels.attribute(kernel.node, "transA", 0):
            x = x.T
        batches = int(np.prod(kernel.weight.shape[:-2], dtype=int))
        if batches > 1:  # each batch has its own matrix
            stacked = np.broadcast_to(x, (*kernel.weight.shape[:-2], *x.shape[-2:])).reshape(batches, *x.shape[-2:])
            yield from zip(stacked, np.arange(rows).reshape(batches, -1), strict=True)
        else:
            yield x.reshape(-1, x.shape[-1]), np.arange(rows)
        return
    count = kernels.groups(kernel.node)
    padded = _padded(kernel, x, model)
    for group, part in enumerate(np.split(padded, count, axis=1)):
        yield _patches(kernel, part), np.arange(rows).reshape(count, -1)[group]


def _padded(kernel: Kernel, x: npt.NDArray[Any], model: Any) -> npt.NDArray[Any]:
    """Pad the input (N, C, ...) with its zero point."""
    from onnx import numpy_helper

    constants = {constant.name: constant for constant in model.graph.initializer}
    rank, name = x.ndim - 2, kernel.node.input[kernel.places.x_zero_point]
    zero_point = int(numpy_helper.to_array(constants[name]).reshape(-1)[0]) if name in constants else 0
    begin_end = _sizes(kernel.node, "pads", [0] * 2 * rank)
    mode = next((entry.s.decode() for entry in kernel.node.attribute if entry.name == "auto_pad"), "NOTSET")
    if mode.startswith("SAME"):
        begin_end = _same(kernel, x, lower=mode == "SAME_LOWER")
    widths = [(0, 0), (0, 0), *zip(begin_end[:rank], begin_end[rank:], strict=True)]
    return np.pad(x, widths, constant_values=zero_point)


def _same(kernel: Kernel, x: npt.NDArray[Any], lower: bool) -> list[int]:
    """Compute auto_pad's padding, for as many outputs as inputs divided by the stride, rounded up."""
    strides, spans = _sizes(kernel.node, "strides", [1] * (x.ndim - 2)), _spans(kernel)
    totals = [
        max(0, (-(-size // stride) - 1) * stride + span - size)
        for size, stride, span in zip(x.shape[2:], strides, spans, strict=True)
    ]
    less, more = [size // 2 for size in totals], [size - size // 2 for size in totals]
    return [*more, *less] if lower else [*less, *more]


def _patches(kernel: Kernel, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return every window (M, n) of a group (N, C, ...), in the order of the weights' rows: channels innermost."""
    shape = kernel.weight.shape[2:]
    strides = _sizes(kernel.node, "strides", [1] * len(shape))
    dilations = _sizes(kernel.node, "dilations", [1] * len(shape))
    counts = [
        (size - span) // stride + 1 for size, span, stride in zip(x.shape[2:], _spans(kernel), strides, strict=True)
    ]
    windows = []
    for offset in itertools.product(*map(range, shape)):
        begins = [index * dilation for index, dilation in zip(offset, dilations, strict=True)]
        window = tuple(
            slice(begin, begin + (count - 1) * stride + 1, stride)
            for begin, count, stride in zip(begins, counts, strides, strict=True)
        )
        windows.append(np.moveaxis(x[(slice(None), slice(None), *window)], 1, -1))  # (N, ..., C)
    rows = np.stack(windows, -2)
    return rows.reshape(-1, rows.shape[-2] * rows.shape[-1])


def _spans(kernel: Kernel) -> list[int]:
    """Return the extent of a filter along each axis."""
    shape = kernel.weight.shape[2:]
    dilations = _sizes(kernel.node, "dilations", [1] * len(shape))
    return [(size - 1) * dilation + 1 for size, dilation in zip(shape, dilations, strict=True)]


def _sizes(node: Any, name: str, default: list[int]) -> list[int]:
    return next((list(entry.ints) for entry in node.attribute if entry.name == name), default)
