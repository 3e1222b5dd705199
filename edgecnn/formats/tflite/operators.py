"""The operators of a TFLite file's main subgraph, in the file's order, which is that of the interpreter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgecnn.formats._operators import Operator, Shape, convolution_kind, convolution_label
from edgecnn.formats.tflite import sizes
from edgecnn.formats.tflite.flatbuffer import constant, dtype_name, dump, load, operator_name, shape, text

CONVOLUTIONS = {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"}
POOLS = {"AVERAGE_POOL_2D", "MAX_POOL_2D"}
PRODUCTS = {"FULLY_CONNECTED", "BATCH_MATMUL"}
KINDS = {
    "AVERAGE_POOL_2D": "average pool",
    "MAX_POOL_2D": "max pool",
    "SQUEEZE": "reshape",
    "EXPAND_DIMS": "reshape",
    "SHAPE": "reshape",
}
"""Kinds that differ from the operator's name in lower case."""


def read(
    data: bytes, outputs: Mapping[int, Sequence[tuple[str, Shape]]], input_shape: Shape = ()
) -> tuple[Operator, ...]:
    model = load(data)
    graph = model.subgraphs[0]
    if input_shape and input_shape != shape(graph.tensors[graph.inputs[0]]):
        sizes.settle(model, data, input_shape)
    _, run = _parted(graph)
    return tuple(_operator(model, graph, operator, place) for place, operator in enumerate(run))


def prefixes(data: bytes) -> tuple[bytes, ...]:
    model = load(data)
    graph = model.subgraphs[0]
    (prepared, operators), final = _parted(graph), [int(index) for index in graph.outputs]
    stored = [buffer.data for buffer in model.buffers]
    model.signatureDefs = model.metadata = model.metadataBuffer = None  # they describe the whole graph
    files = []
    for count in range(1, len(operators) + 1):
        later = {int(index) for operator in operators[count:] for index in operator.inputs} | set(final)
        # Outputs of the last operator come first, because a session fetches only the first output.
        alive = [int(index) for node in reversed(operators[:count]) for index in node.outputs if int(index) in later]
        files.append(_cut(model, stored, [*_needed(prepared, operators[:count]), *operators[:count]], alive))
    return (_call(model, stored), *files)


def _parted(graph: Any) -> tuple[list[Any], list[Any]]:
    """Split the operators into those that read only constants and those that depend on the input, in the file's order.

    The first kind, such as the unpacking of half-precision weights, is folded when the file is loaded.
    """
    live = {int(index) for index in graph.inputs}
    prepared, run = [], []
    for operator in graph.operators:
        if live.isdisjoint(map(int, operator.inputs)):
            prepared.append(operator)
        else:
            run.append(operator)
            live.update(map(int, operator.outputs))
    return prepared, run


def _needed(prepared: Sequence[Any], operators: Sequence[Any]) -> list[Any]:
    """Return those of `prepared` that the operators read, directly or indirectly, in the file's order."""
    read = {int(index) for operator in operators for index in operator.inputs}
    needed: list[Any] = []
    for candidate in reversed(prepared):
        if not read.isdisjoint(map(int, candidate.outputs)):
            needed.insert(0, candidate)
            read.update(map(int, candidate.inputs))
    return needed


def _cut(model: Any, stored: Sequence[Any], operators: Sequence[Any], outputs: Sequence[int]) -> bytes:
    """Return the model with these operators, and only the constants that they or other subgraphs read."""
    graph = model.subgraphs[0]
    graph.operators, graph.outputs = list(operators), np.array(outputs, np.int32)
    read = {graph.tensors[index].buffer for operator in operators for index in operator.inputs if index >= 0}
    read |= {tensor.buffer for part in model.subgraphs[1:] for tensor in part.tensors}
    for index, buffer in enumerate(model.buffers):
        buffer.data = stored[index] if index in read else None
    return dump(model)


def _call(model: Any, stored: Sequence[Any]) -> bytes:
    """Return the model with a single operator that reads no values: SHAPE of the input."""
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    source = graph.tensors[graph.inputs[0]]
    result, code, operator = schema.TensorT(), schema.OperatorCodeT(), schema.OperatorT()
    result.name, result.shape, result.type, result.buffer = (
        b"edgecnn_call",
        [len(shape(source))],
        schema.TensorType.INT32,
        0,
    )
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.SHAPE
    code.version = 1
    operator.opcodeIndex = len(model.operatorCodes)
    operator.inputs = np.array([int(graph.inputs[0])], np.int32)
    operator.outputs = np.array([len(graph.tensors)], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.ShapeOptions
    operator.builtinOptions = schema.ShapeOptionsT()
    operator.builtinOptions.outType = schema.TensorType.INT32
    graph.tensors.append(result)
    model.operatorCodes.append(code)
    return _cut(model, stored, [operator], [len(graph.tensors) - 1])


def _operator(model: Any, graph: Any, operator: Any, place: int) -> Operator:
    inputs = [graph.tensors[index] for index in operator.inputs if index >= 0]
    outputs = [graph.tensors[index] for index in operator.outputs if index >= 0]
    activations = [tensor for tensor in inputs if not constant(model, tensor)]
    name = operator_name(model, operator)
    kind, label, channels, stride, macs = _weighted(graph, operator, name) or (_plain(name), _plain(name), None, 1, 0)
    types = {dtype_name(tensor) for tensor in (*activations, *outputs)}
    return Operator(
        name=text(outputs[0].name) or f"{name}_{place}",
        operator=name,
        kind=kind,
        label=label,
        input_shape=shape(activations[0]) if activations else (),
        output_shape=shape(outputs[0]),
        channels=channels,
        stride=stride if channels else _pool_stride(operator, name),
        kernel=_kernel(graph, operator, name),
        is_rectified=bool(getattr(operator.builtinOptions, "fusedActivationFunction", 0)),
        macs=macs,
        bytes=sum(_bytes(model, tensor) for tensor in (*inputs, *outputs)),
        is_float=kind not in ("quantize", "dequantize") and any(dtype.startswith("float") for dtype in types),
    )


def _weighted(graph: Any, operator: Any, name: str) -> tuple[str, str, tuple[int, int], int, int] | None:
    """Return (kind, label, channels, stride, MACs) of a convolution or product; None for anything else."""
    if name not in CONVOLUTIONS | PRODUCTS:
        return None
    weight, result = shape(graph.tensors[operator.inputs[1]]), shape(graph.tensors[operator.outputs[0]])
    source = shape(graph.tensors[operator.inputs[0]])
    options = operator.builtinOptions
    if name in CONVOLUTIONS:
        stride = int(options.strideH) if options is not None else 1
    if name == "TRANSPOSE_CONV":  # weight (K, kh, kw, C)
        source = shape(graph.tensors[operator.inputs[2]])
        channels = (weight[3], weight[0])
        label = convolution_label("transposed conv", weight[1:3], stride, channels)
        return "transposed conv", label, channels, stride, math.prod(source) * math.prod(weight[:3])
    if name == "DEPTHWISE_CONV_2D":  # weight (1, kh, kw, K)
        channels = (source[3], weight[3])
        # The converter also writes convolutions with one input channel like this.
        kind = "conv" if source[3] == 1 else "depthwise"
        label = convolution_label(kind, weight[1:3], stride, channels)
        return kind, label, channels, stride, math.prod(result) * math.prod(weight[1:3])
    if name == "CONV_2D":  # weight (K, kh, kw, C / groups)
        groups = max(1, source[3] // weight[3])
        channels, kernel = (source[3], weight[0]), weight[1:3]
        kind = convolution_kind(kernel, weight[3], groups)
        label = convolution_label(kind, kernel, stride, channels)
        return kind, label, channels, stride, math.prod(result) * math.prod(weight[1:])
    if name == "FULLY_CONNECTED":  # weight (K, C)
        kind, inner = "dense", weight[-1]
    else:
        kind, inner = "matmul", source[-2] if options is not None and options.adjX else source[-1]
    return kind, f"{kind} {inner}>{result[-1]}", (inner, result[-1]), 1, math.prod(result) * inner


def _kernel(graph: Any, operator: Any, name: str) -> tuple[int, int]:
    """Return (height, width) of the filter or window."""
    if name in POOLS and operator.builtinOptions is not None:
        return int(operator.builtinOptions.filterHeight), int(operator.builtinOptions.filterWidth)
    if name not in CONVOLUTIONS:
        return 1, 1
    _, height, width, _ = shape(graph.tensors[operator.inputs[1]])
    return height, width


def _pool_stride(operator: Any, name: str) -> int:
    return int(operator.builtinOptions.strideH) if name in POOLS and operator.builtinOptions is not None else 1


def _plain(name: str) -> str:
    return KINDS.get(name, name.lower().replace("_", " "))


def _bytes(model: Any, tensor: Any) -> int:
    kind = dtype_name(tensor)
    if constant(model, tensor):
        return len(model.buffers[tensor.buffer].data)
    return math.prod(shape(tensor)) * (np.dtype(kind).itemsize if kind in np.sctypeDict else 1)
