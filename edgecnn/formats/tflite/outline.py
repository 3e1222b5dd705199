"""The outline of a TFLite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.formats._outline import Depthwise, Outline, OutlineOperator
from edgecnn.formats.tflite import flatbuffer
from edgecnn.formats.tflite.description import computes_in_float, runs_as_coder
from edgecnn.formats.tflite.flatbuffer import constant, dtype_name, operator_name, text


def read(path: Path) -> Outline:
    """Read the first subgraph of a file that `formats.describe` can read."""
    from ai_edge_litert import schema_py_generated as schema

    data = path.read_bytes()
    packed = schema.Model.GetRootAs(data, 0)
    buffers = [packed.Buffers(place) for place in range(packed.BuffersLength())]
    model = flatbuffer.load(data)
    graph = model.subgraphs[0]

    def names(indices: Any) -> tuple[str, ...]:
        chosen = [(int(i), graph.tensors[i]) for i in indices if i >= 0]
        return tuple(_name(tensor, i) for i, tensor in chosen if not constant(model, tensor))

    operators = tuple(
        OutlineOperator(
            name=next(iter(names(operator.outputs)), operator_name(model, operator)),
            kind=operator_name(model, operator),
            reads=names(operator.inputs),
            writes=names(operator.outputs),
            is_float=computes_in_float(model, graph, operator),
            is_coder=runs_as_coder(model, graph, operator),
        )
        for operator in graph.operators
        if names(operator.inputs)
    )
    return Outline(
        operators=operators,
        inputs=names(graph.inputs),
        outputs=names(graph.outputs),
        dynamic=tuple(_dynamic(graph)),
        outside_bytes=sum(buffer.Size() for buffer in buffers if buffer.Offset() > 1),
        outside_files=(),
        foreign=tuple(sorted({name for part in model.subgraphs for name in _foreign(model, part)})),
        depthwise=tuple(_depthwise(model, graph)),
    )


def _name(tensor: Any, index: int) -> str:
    return text(tensor.name) or f"tensor {index}"


def _dynamic(graph: Any) -> list[str]:
    lines = []
    for index in graph.inputs:
        tensor = graph.tensors[index]
        signature = tensor.shapeSignature if tensor.shapeSignature is not None else ()
        sizes = signature if len(signature) else (tensor.shape if tensor.shape is not None else ())
        lines += [f"input {_name(tensor, index)}, dimension {i}" for i, size in enumerate(sizes) if size < 1]
    return lines


def _foreign(model: Any, graph: Any) -> list[str]:
    foreign = []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = operator_name(model, operator)
        if code.customCode or name.startswith(("OPERATOR_", "CUSTOM")):
            foreign.append(name)
    return foreign


def _depthwise(model: Any, graph: Any) -> list[Depthwise]:
    layers = []
    for operator in graph.operators:
        if operator_name(model, operator) != "DEPTHWISE_CONV_2D":
            continue
        tensor = graph.tensors[operator.inputs[1]]
        stored, kind = flatbuffer.values(model, tensor, np.uint8), dtype_name(tensor)
        numbers = tensor.quantization
        if stored is None or kind not in ("int8", "uint8") or numbers is None or numbers.scale is None:
            continue
        channels = flatbuffer.shape(tensor)[-1]  # weight (1, kh, kw, K)
        signed = stored.view(np.int8).astype(np.int32)
        if kind == "uint8":
            signed = stored.astype(np.int32) - int(numbers.zeroPoint[0])
        largest = np.abs(signed.reshape(-1, channels)).max(0)
        output = graph.tensors[operator.outputs[0]]
        layers.append(
            Depthwise(
                name=_name(output, operator.outputs[0]),
                scales=len(numbers.scale),
                largest=tuple(largest.tolist()),
            )
        )
    return layers
