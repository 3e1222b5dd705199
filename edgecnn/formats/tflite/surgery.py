"""Changes to a TFLite model after conversion; none changes what the graph computes."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from edgecnn.formats import _describing
from edgecnn.formats.tflite import flatbuffer
from edgecnn.formats.tflite.flatbuffer import operator_name

ROLES = ("input", "weights", "bias")
"""Names of a weighted operator's inputs, in order."""
WEIGHTED = ("conv_2d", "depthwise_conv_2d", "fully_connected")


def uint8_input(model: Any) -> None:
    """Add a QUANTIZE before the graph that converts uint8 to its int8 input, exactly."""
    graph = model.subgraphs[0]
    inner = int(graph.inputs[0])
    outer = _unsigned_twin(graph, inner)
    graph.operators.insert(0, _operator(model, "QUANTIZE", outer, inner))
    graph.inputs = np.array([outer], np.int32)


def uint8_output(model: Any) -> None:
    """Add a QUANTIZE behind the graph that converts its int8 output to uint8, exactly."""
    graph = model.subgraphs[0]
    inner = int(graph.outputs[0])
    outer = _unsigned_twin(graph, inner)
    graph.operators.append(_operator(model, "QUANTIZE", inner, outer))
    graph.outputs = np.array([outer], np.int32)


def float_output(model: Any) -> None:
    """Add a DEQUANTIZE behind the graph that converts its int8 output to float."""
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    inner = int(graph.outputs[0])
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.buffer = graph.tensors[inner].shape, schema.TensorType.FLOAT32, 0
    graph.tensors.append(tensor)
    outer = len(graph.tensors) - 1
    graph.operators.append(_operator(model, "DEQUANTIZE", inner, outer))
    graph.outputs = np.array([outer], np.int32)


def weights_to_float16(model: Any) -> None:
    """Store weights and biases in half precision, each behind a DEQUANTIZE; the file computes in float32.

    XNNPACK unpacks them once, when it loads the file. Single numbers keep their precision.

    Raises:
        EnvironmentUnfit: A value exceeds half precision.
    """
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    halves: dict[int, int] = {}
    for operator in list(graph.operators):
        if operator_name(model, operator).lower() not in WEIGHTED:
            continue
        for index in (int(index) for index in operator.inputs[1:] if index >= 0):
            tensor = graph.tensors[index]
            stored = flatbuffer.values(model, tensor, np.float32)
            if index in halves or tensor.type != schema.TensorType.FLOAT32 or stored is None or stored.size < 2:
                continue
            half, buffer = schema.TensorT(), schema.BufferT()
            buffer.data = _describing.halved(stored, tensor.name.decode()).view(np.uint8)
            model.buffers.append(buffer)
            half.name, half.shape, half.type = tensor.name + b"_fp16", tensor.shape, schema.TensorType.FLOAT16
            half.buffer, tensor.buffer = len(model.buffers) - 1, 0
            graph.tensors.append(half)
            halves[index] = len(graph.tensors) - 1
    coders = [_operator(model, "DEQUANTIZE", half, index) for index, half in halves.items()]
    for coder in coders[:1]:
        model.operatorCodes[coder.opcodeIndex].version = 3  # the first version with float16
    graph.operators = coders + list(graph.operators)
    _pack_buffers(model)


def fold_flatten(model: Any) -> None:
    """Let a dense layer behind a flattened NCHW picture read the NHWC picture, with its weights reordered."""
    graph = model.subgraphs[0]
    readers: dict[int, list[Any]] = {}
    for operator in graph.operators:
        for index in operator.inputs:
            readers.setdefault(int(index), []).append(operator)

    def follows(operator: Any, kind: str) -> Any:
        """Return the only reader of `operator`'s output, if it is of that kind."""
        behind = readers.get(int(operator.outputs[0]), [])
        return behind[0] if len(behind) == 1 and operator_name(model, behind[0]) == kind else None

    for transpose in [operator for operator in graph.operators if operator_name(model, operator) == "TRANSPOSE"]:
        order = flatbuffer.values(model, graph.tensors[transpose.inputs[1]], np.int32)
        reshape = follows(transpose, "RESHAPE")
        dense = follows(reshape, "FULLY_CONNECTED") if reshape is not None else None
        if order is None or order.tolist() != [0, 3, 1, 2] or dense is None:
            continue
        weight = graph.tensors[dense.inputs[1]]
        stored = flatbuffer.values(model, weight, np.uint8)
        units, inputs = flatbuffer.shape(weight)
        picture = flatbuffer.shape(graph.tensors[transpose.outputs[0]])[1:]  # (C, H, W)
        if stored is None or inputs != math.prod(picture) or len(readers[int(dense.inputs[1])]) > 1:
            continue
        by_channel = stored.reshape(units, *picture, -1)  # (K, C, H, W, bytes of one weight)
        model.buffers[weight.buffer].data = by_channel.transpose(0, 2, 3, 1, 4).reshape(-1)
        reshape.inputs = np.array([transpose.inputs[0], *reshape.inputs[1:]], np.int32)
        graph.operators.remove(transpose)


def tidy(model: Any, name: str) -> None:
    """Give tensors short names, drop unused buffers, and name the signature's ends `input` and `logits`.

    The converter names tensors by the modules they come from, which can take more bytes than the weights.
    """
    graph = model.subgraphs[0]
    flatbuffer.drop_unused_tensors(graph)
    _name_tensors(model, graph)
    _pack_buffers(model)
    graph.name = b"main"
    model.description = f"edgecnn {name}".encode()
    for signature in model.signatureDefs or []:
        for maps, tensors, word in (
            (signature.inputs, graph.inputs, b"input"),
            (signature.outputs, graph.outputs, b"logits"),
        ):
            maps[0].name, maps[0].tensorIndex = word, int(tensors[0])


def add_note(model: Any, name: str, data: bytes) -> None:
    """Add a named metadata buffer, replacing one of the same name."""
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    model.buffers.append(buffer)
    note = schema.MetadataT()
    note.name, note.buffer = name.encode(), len(model.buffers) - 1
    model.metadata = [other for other in model.metadata or [] if other.name != note.name] + [note]


def _unsigned_twin(graph: Any, index: int) -> int:
    """Add a uint8 tensor that represents the same real numbers as an int8 tensor; return its index."""
    from ai_edge_litert import schema_py_generated as schema

    signed = graph.tensors[index]
    if signed.type != schema.TensorType.INT8:
        raise AssertionError("the converter left an edge of the int8 graph in float")
    twin, numbers = schema.TensorT(), schema.QuantizationParametersT()
    numbers.scale = signed.quantization.scale
    numbers.zeroPoint = np.asarray(signed.quantization.zeroPoint, np.int64) + 128
    twin.shape, twin.type, twin.buffer, twin.quantization = signed.shape, schema.TensorType.UINT8, 0, numbers
    graph.tensors.append(twin)
    return len(graph.tensors) - 1


def _operator(model: Any, kind: str, source: int, target: int) -> Any:
    """Make a QUANTIZE or DEQUANTIZE operator."""
    from ai_edge_litert import schema_py_generated as schema

    opcode = getattr(schema.BuiltinOperator, kind)
    index = next((i for i, code in enumerate(model.operatorCodes) if code.builtinCode == opcode), None)
    if index is None:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = opcode
        code.version = 2 if kind == "DEQUANTIZE" else 1
        model.operatorCodes.append(code)
        index = len(model.operatorCodes) - 1
    operator = schema.OperatorT()
    operator.opcodeIndex = index
    operator.inputs, operator.outputs = np.array([source], np.int32), np.array([target], np.int32)
    return operator


def _name_tensors(model: Any, graph: Any) -> None:
    seen: Counter[str] = Counter()
    for operator in graph.operators:
        kind = operator_name(model, operator).lower()
        seen[kind] += 1
        name = f"{kind}_{seen[kind]}"
        for place, index in enumerate(operator.inputs):
            if index >= 0 and flatbuffer.constant(model, graph.tensors[index]):
                role = ROLES[place] if kind in WEIGHTED else f"operand_{place}"
                graph.tensors[index].name = f"{name}/{role}".encode()
        for place, index in enumerate(operator.outputs):
            graph.tensors[index].name = (name if place == 0 else f"{name}:{place}").encode()
    graph.tensors[graph.inputs[0]].name = b"input"
    graph.tensors[graph.outputs[0]].name = b"logits"


def _pack_buffers(model: Any) -> None:
    """Keep buffer 0, empty, for all activations, and one buffer for each constant and note."""
    from ai_edge_litert import schema_py_generated as schema

    buffers, places = [schema.BufferT()], {}

    def place(old: int) -> int:
        data = model.buffers[old].data
        if data is None or len(data) == 0:
            return 0
        if old not in places:
            places[old] = len(buffers)
            buffers.append(model.buffers[old])
        return places[old]

    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = place(tensor.buffer)
    notes = [note for note in model.metadata or [] if note.name == b"min_runtime_version"]
    for note in notes:
        note.buffer = place(note.buffer)
    model.metadata, model.buffers, model.metadataBuffer = notes, buffers, None
