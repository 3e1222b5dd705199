"""ONNX graphs that end early, with QDQ pairs kept whole so that a runtime chooses the same int8 kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.formats._tensors import Inner, dequantised
from edgecnn.formats.onnx.absorbed import Absorbed
from edgecnn.formats.onnx.graph import SHUFFLES, Graph, read, reads

OLDEST_IR = 4
"""The oldest IR version in which a constant need not be listed as an input."""
OUTPUT_SCALE = {
    # operator -> index of its output's scale among its inputs; the zero point follows
    "QLinearConv": 6,
    "QLinearMatMul": 6,
    "QLinearAdd": 6,
    "QLinearMul": 6,
    "QLinearAveragePool": 3,
    "QLinearGlobalAveragePool": 3,
}
"""Operators with scales of their own, from ONNX and from ONNX Runtime's domain."""


def tensors(data: bytes) -> tuple[Inner, ...]:
    graph = read(_model(data))
    absorbed = Absorbed(graph)
    live = set(graph.inputs)
    inner_by_name: dict[str, Inner] = {}
    for node in graph.nodes:
        sources = [name for name in reads(node) if name in live]
        if not sources:
            continue
        live.update(name for name in node.output if name)
        if node.output[0] in absorbed.inside:
            continue
        inputs = tuple(dict.fromkeys(absorbed.storage(name) for name in sources))
        for name in filter(None, node.output):
            stored = absorbed.storage(name)
            scale, zero_point = _scale(graph, stored, node, inner_by_name)
            inner_by_name[stored] = Inner(
                name=stored,
                operator=node.op_type,
                shape=graph.shapes.get(stored, ()),
                dtype=graph.types.get(stored, "float32"),
                scale=scale,
                zero_point=zero_point,
                inputs=inputs,
            )
    return tuple(inner_by_name.values())


def prefix(data: bytes, name: str) -> bytes:
    from onnx import helper

    model = _model(data)
    graph = read(model)
    if name not in graph.producer:
        raise KeyError(name)
    needed, nodes = {name}, []
    for node in reversed(graph.nodes):
        if not needed.isdisjoint(node.output):
            nodes.append(node)
            needed.update(reads(node))
    constants = []
    for key in sorted(needed & graph.constants.keys()):
        graph.constants[key].name = key  # the tensor of a Constant node has no name, or another
        constants.append(graph.constants[key])
    cut = helper.make_graph(
        nodes[::-1], "prefix", [_value(graph, key) for key in graph.inputs], [_value(graph, name)], constants
    )
    shortened = helper.make_model(
        cut, opset_imports=list(model.opset_import), ir_version=max(OLDEST_IR, model.ir_version)
    )  # fmt: skip
    encoded: bytes = shortened.SerializeToString(deterministic=True)
    return encoded


def constants(data: bytes, inner: Inner) -> tuple[npt.NDArray[np.float64], ...]:
    from onnx import numpy_helper

    graph = read(_model(data))
    arrays: list[npt.NDArray[np.float64]] = []
    names, seen = [inner.name], set(inner.inputs)
    while names:
        name = names.pop()
        node = graph.producer.get(name)
        if name in seen or node is None:
            continue
        seen.add(name)
        if node.op_type == "DequantizeLinear" and node.input[0] in graph.constants:
            arrays.append(_dequantised(graph, node))
            continue
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            names.append(node.input[0])  # the other inputs are scale and zero point
            continue
        for name in filter(None, node.input):
            if name not in graph.constants:
                names.append(name)
            elif graph.is_float(name):
                arrays.append(numpy_helper.to_array(graph.constants[name]).astype(np.float64))
    return tuple(arrays)


def _dequantised(graph: Graph, node: Any) -> npt.NDArray[np.float64]:
    """Return the real numbers of a DequantizeLinear that reads a constant."""
    from onnx import numpy_helper

    inputs = [numpy_helper.to_array(graph.constants[name]) for name in node.input]
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
    return dequantised(inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else np.zeros_like(inputs[1]), axis)


def _model(data: bytes) -> Any:
    import onnx

    model = onnx.load_model_from_string(data)
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def _scale(graph: Graph, name: str, node: Any, inner_by_name: dict[str, Inner]) -> tuple[float | None, int | None]:
    """Return scale and zero point of an 8-bit value, from its writer or its readers."""
    if graph.is_float(name):
        return None, None
    writer = graph.producer[name]
    readers = [reader for reader in graph.consumers.get(name, []) if reader.op_type == "DequantizeLinear"]
    for coder in [writer, *readers]:
        if coder.op_type in ("QuantizeLinear", "DequantizeLinear") and (numbers := graph.scale(coder)):
            return numbers
    if node.op_type in OUTPUT_SCALE:
        from onnx import numpy_helper

        place = OUTPUT_SCALE[node.op_type]
        parameters = [graph.constants.get(key) for key in node.input[place : place + 2]]
        arrays = [numpy_helper.to_array(tensor).reshape(-1) for tensor in parameters if tensor is not None]
        if len(arrays) == 2 and arrays[0].size == arrays[1].size == 1:
            return float(arrays[0][0]), int(arrays[1][0])
    if node.op_type in SHUFFLES and node.input[0] in inner_by_name:
        source = inner_by_name[node.input[0]]
        return source.scale, source.zero_point
    return None, None


def _value(graph: Graph, name: str) -> Any:
    """Declare an input or output; without a type if it is unknown, as runtimes infer it."""
    import onnx
    from onnx import helper

    if name not in graph.types:
        return onnx.ValueInfoProto(name=name)
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(np.dtype(graph.types[name])), graph.shapes.get(name)
    )
