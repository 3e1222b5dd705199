"""TFLite graphs that end early: the main subgraph is cut, and what it no longer needs is removed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.formats._tensors import Inner, dequantised
from edgecnn.formats.tflite.flatbuffer import (
    constant,
    drop_unused_tensors,
    dtype_name,
    dump,
    load,
    operator_name,
    shape,
    text,
    values,
)


def tensors(data: bytes) -> tuple[Inner, ...]:
    model = load(data)
    graph = model.subgraphs[0]
    names = _names(graph)
    live = {int(index) for index in graph.inputs}
    stored = []
    for operator in graph.operators:
        sources = [int(index) for index in operator.inputs if int(index) in live]
        if not sources:
            continue
        for index in map(int, operator.outputs):
            live.add(index)
            tensor, (scale, zero_point) = graph.tensors[index], _scale(graph.tensors[index])
            stored.append(
                Inner(
                    name=names[index],
                    operator=operator_name(model, operator),
                    shape=shape(tensor),
                    dtype=dtype_name(tensor),
                    scale=scale,
                    zero_point=zero_point,
                    inputs=tuple(dict.fromkeys(names[source] for source in sources)),
                )
            )
    return tuple(stored)


def prefix(data: bytes, name: str) -> bytes:
    model = load(data)
    graph = model.subgraphs[0]
    names = _names(graph)
    written = [int(index) for operator in graph.operators for index in operator.outputs]
    target = next((index for index in written if names[index] == name), None)
    if target is None:
        raise KeyError(name)
    needed, operators = {target}, []
    for operator in reversed(graph.operators):
        if not needed.isdisjoint(map(int, operator.outputs)):
            operators.append(operator)
            needed.update(map(int, operator.inputs))
    graph.operators, graph.outputs = operators[::-1], np.array([target], np.int32)
    model.signatureDefs = model.metadata = model.metadataBuffer = None  # they describe the whole graph
    _drop_unused(model, graph)
    return dump(model)


def constants(data: bytes, inner: Inner) -> tuple[npt.NDArray[np.float64], ...]:
    model = load(data)
    graph = model.subgraphs[0]
    names = _names(graph)
    arrays = []
    for operator in graph.operators:
        if inner.name not in [names[index] for index in operator.outputs]:
            continue
        for tensor in (graph.tensors[index] for index in operator.inputs if index >= 0):
            kind, numbers = dtype_name(tensor), tensor.quantization
            scaled = numbers is not None and numbers.scale is not None and len(numbers.scale) > 0
            if not constant(model, tensor) or not (scaled or kind.startswith("float")) or kind not in np.sctypeDict:
                continue
            stored = np.asarray(values(model, tensor, kind)).reshape(shape(tensor))
            if scaled:
                scale, zero = np.asarray(numbers.scale), numbers.zeroPoint
                zero_point = np.zeros_like(scale) if zero is None or len(zero) == 0 else np.asarray(zero)
                arrays.append(dequantised(stored, scale, zero_point, int(numbers.quantizedDimension)))
            else:
                arrays.append(stored.astype(np.float64))
    return tuple(arrays)


def _names(graph: Any) -> list[str]:
    """Return a unique name for every tensor: its own, if no other tensor has it."""
    own = [text(tensor.name) for tensor in graph.tensors]
    counts = Counter(own)
    return [name if name and counts[name] == 1 else f"{name}@{index}" for index, name in enumerate(own)]


def _scale(tensor: Any) -> tuple[float | None, int | None]:
    numbers = tensor.quantization
    if numbers is None or numbers.scale is None or len(numbers.scale) != 1:
        return None, None
    has_zero = numbers.zeroPoint is not None and len(numbers.zeroPoint)
    return float(numbers.scale[0]), int(numbers.zeroPoint[0]) if has_zero else 0


def _drop_unused(model: Any, graph: Any) -> None:
    """Remove tensors that no operator uses, and the contents of buffers that no tensor reads."""
    drop_unused_tensors(graph)
    for operator in graph.operators:
        operator.intermediates = None
    read = {tensor.buffer for part in model.subgraphs for tensor in part.tensors}
    for index, buffer in enumerate(model.buffers):
        if index not in read:
            buffer.data = None
