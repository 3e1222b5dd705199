"""The operators of an ONNX graph as ONNX Runtime executes it: fused, some of them its own, with shapes it reports."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgecnn.errors import ModelFileError
from edgecnn.formats._operators import Operator, Shape, convolution_kind, convolution_label

CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "NhwcFusedConv": 1, "ConvInteger": 1, "QLinearConv": 3}
"""Index of a convolution's weight (K, C / groups, kh, kw) among its inputs."""
PRODUCTS = {
    "Gemm": 1,
    "FusedGemm": 1,
    "QGemm": 3,
    "MatMul": 1,
    "FusedMatMul": 1,
    "QLinearMatMul": 3,
    "MatMulInteger": 1,
    "MatMulIntegerToFloat": 1,
    "DynamicQuantizeMatMul": 1,
}
"""Index of a product's second operand among its inputs."""
KINDS = {
    "Transpose": "transpose",
    "ReorderInput": "reorder",
    "ReorderOutput": "reorder",
    "QuantizeLinear": "quantize",
    "DequantizeLinear": "dequantize",
    "GlobalAveragePool": "global pool",
    "AveragePool": "average pool",
    "MaxPool": "max pool",
    "LayerNormalization": "layer norm",
    "SkipLayerNormalization": "layer norm",
    "ReduceMean": "mean",
}
SHUFFLES = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Shape", "Cast"}
FLOATS = ("float", "double", "bfloat")

Outputs = Mapping[int, Sequence[tuple[str, Shape]]]
Values = dict[str, tuple[str, Shape]]
"""(dtype, shape) of values by name."""


def read(data: bytes, outputs: Outputs, input_shape: Shape = ()) -> tuple[Operator, ...]:
    model = _model(data)
    values = _values(model, outputs)
    constants = {tensor.name for tensor in model.graph.initializer}
    entry = next((value.name for value in model.graph.input if value.name not in constants), None)
    if entry in values and input_shape:
        values[entry] = values[entry][0], input_shape
    return tuple(_operator(node, values, constants, place) for place, node in enumerate(model.graph.node))


def prefixes(data: bytes) -> tuple[bytes, ...]:
    from onnx import TensorProto, helper

    model = _model(data)
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    (entry,) = [value for value in graph.input if value.name not in constants]
    call = helper.make_node("Shape", [entry.name], ["edgecnn_call"])
    result = helper.make_tensor_value_info("edgecnn_call", TensorProto.INT64, [len(entry.type.tensor_type.shape.dim)])
    files = [_cut(model, [call], [result], [])]
    for count in range(1, len(graph.node) + 1):
        nodes, rest = graph.node[:count], graph.node[count:]
        later = {name for node in rest for name in node.input} | {value.name for value in graph.output}
        # Outputs of the last operator come first, because a session fetches only the first output.
        alive = [name for node in reversed(nodes) for name in node.output if name in later]
        used = {name for node in nodes for name in node.input}
        needed = [constants[name] for name in constants if name in used]
        files.append(_cut(model, nodes, [_untyped(name) for name in alive], needed))
    return tuple(files)


def _model(data: bytes) -> Any:
    import onnx

    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # a broken file makes the parser raise anything
        raise ModelFileError("A lowered graph is not readable ONNX.") from error


def _cut(model: Any, nodes: Any, outputs: Any, constants: Any) -> bytes:
    from onnx import helper

    values = [
        value for value in model.graph.input if value.name not in {tensor.name for tensor in model.graph.initializer}
    ]
    graph = helper.make_graph(list(nodes), "prefix", values, outputs, list(constants))
    cut = helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    encoded: bytes = cut.SerializeToString(deterministic=True)
    return encoded


def _untyped(name: str) -> Any:
    """Declare an output whose type the runtime infers."""
    import onnx

    return onnx.ValueInfoProto(name=name)


def _values(model: Any, outputs: Outputs) -> Values:
    from onnx import helper

    known: Values = {}
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        tensor = value.type.tensor_type
        if tensor.elem_type:
            dtype = str(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
            known[value.name] = (dtype, tuple(max(1, size.dim_value) for size in tensor.shape.dim))
    for constant in model.graph.initializer:
        known[constant.name] = (str(helper.tensor_dtype_to_np_dtype(constant.data_type)), tuple(constant.dims))
    for place, node in enumerate(model.graph.node):
        known.update(zip([name for name in node.output if name], outputs.get(place, ()), strict=False))
    return known


def _operator(node: Any, values: Values, constants: set[str], place: int) -> Operator:
    unknown = ("float32", ())
    activations = [name for name in node.input if name and name not in constants]
    source = values.get(activations[0], unknown) if activations else unknown
    result = values.get(node.output[0], unknown)
    kind, label, channels, stride, macs = _weighted(node, values) or (_plain(node), _plain(node), None, 1, 0)
    moved = {name for name in (*node.input, *node.output) if name}
    types = {values.get(name, unknown)[0] for name in (*activations, *node.output) if name}
    return Operator(
        name=node.name or f"{node.op_type}_{place}",
        operator=node.op_type,
        kind=kind,
        label=label,
        input_shape=source[1],
        output_shape=result[1],
        channels=channels,
        stride=stride,
        macs=macs,
        bytes=sum(_bytes(*values[name]) for name in moved if name in values),
        is_float=kind not in ("quantize", "dequantize") and any(dtype.startswith(FLOATS) for dtype in types),
    )


def _weighted(node: Any, values: Values) -> tuple[str, str, tuple[int, int], int, int] | None:
    """Return (kind, label, channels, stride, MACs) of a convolution or product; None for anything else.

    The MACs are those executed, including ONNX Runtime's padding of channels to whole blocks.
    """
    attributes = {attribute.name: attribute for attribute in node.attribute}
    result = values.get(node.output[0], ("", ()))[1]
    place = CONVOLUTIONS.get(node.op_type, PRODUCTS.get(node.op_type, 1))
    weight = values.get(node.input[place], ("", ()))[1] if len(node.input) > place else ()
    strides = list(attributes["strides"].ints) if "strides" in attributes else [1]
    if node.op_type in CONVOLUTIONS and len(weight) > 2:
        groups = attributes["group"].i if "group" in attributes else 1
        kernel, channels = weight[2:], (weight[1] * groups, weight[0])
        kind = convolution_kind(kernel, weight[1], groups)
        label = convolution_label(kind, kernel, strides[0], channels)
        return kind, label, channels, strides[0], math.prod(result) * math.prod(weight[1:])
    source = values.get(node.input[0], ("", ()))[1] if node.input else ()
    if node.op_type == "ConvTranspose" and len(weight) > 2:
        channels = (weight[0], weight[1])
        label = convolution_label("transposed conv", weight[2:], strides[0], channels)
        return "transposed conv", label, channels, strides[0], math.prod(source) * math.prod(weight[1:])
    if node.op_type in PRODUCTS and source and result:
        inner = source[0] if "transA" in attributes and attributes["transA"].i and len(source) == 2 else source[-1]
        kind = "matmul" if len(weight) > 2 or len(result) > 2 else "dense"
        return kind, f"{kind} {inner}>{result[-1]}", (inner, result[-1]), 1, math.prod(result) * inner
    return None


def _plain(node: Any) -> str:
    """Return the kind of an operator without MACs, the same for its integer and channels-last variants."""
    plain = re.sub(r"^(QLinear|Nhwc|Fused)", "", node.op_type)
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain).lower()
    return "reshape" if plain in SHUFFLES else KINDS.get(plain, spaced)


def _bytes(dtype: str, shape: Shape) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize if dtype in np.sctypeDict else math.prod(shape)
