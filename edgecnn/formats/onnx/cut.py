"""ONNX graphs, cut: QDQ pairs stay whole, so a runtime takes the same operators as int8 as in the whole file."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.formats._tensors import Inner, dequantised
from edgecnn.formats.onnx.absorbed import Absorbed
from edgecnn.formats.onnx.graph import SHUFFLES, Graph, read, reads

OLDEST_IR = 4
"""From here on a constant need not be listed among the inputs."""
OUTPUT_SCALE = {
    # operator -> place of its output's scale among its inputs; the zero point follows
    "QLinearConv": 6,
    "QLinearMatMul": 6,
    "QLinearAdd": 6,
    "QLinearMul": 6,
    "QLinearAveragePool": 3,
    "QLinearGlobalAveragePool": 3,
}
"""Operators that carry scales themselves: of ONNX, and of ONNX Runtime's own domain."""


def tensors(data: bytes) -> tuple[Inner, ...]:
    graph = read(_model(data))
    absorbed = Absorbed(graph)
    live = set(graph.inputs)
    found: dict[str, Inner] = {}
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
            scale, zero_point = _scale(graph, stored, node, found)
            found[stored] = Inner(
                name=stored,
                operator=node.op_type,
                shape=graph.shapes.get(stored, ()),
                dtype=graph.types.get(stored, "float32"),
                scale=scale,
                zero_point=zero_point,
                inputs=inputs,
            )
    return tuple(found.values())


def prefix(data: bytes, name: str) -> bytes:
    from onnx import helper

    model = _model(data)
    graph = read(model)
    if name not in graph.producer:
        raise KeyError(name)
    needed, kept = {name}, []
    for node in reversed(graph.nodes):
        if not needed.isdisjoint(node.output):
            kept.append(node)
            needed.update(reads(node))
    constants = []
    for key in sorted(needed & graph.constants.keys()):
        graph.constants[key].name = key  # the tensor of a Constant node has none, or another
        constants.append(graph.constants[key])
    cut = helper.make_graph(
        kept[::-1], "prefix", [_value(graph, key) for key in graph.inputs], [_value(graph, name)], constants
    )
    made = helper.make_model(
        cut, opset_imports=list(model.opset_import), ir_version=max(OLDEST_IR, model.ir_version)
    )  # fmt: skip
    whole: bytes = made.SerializeToString(deterministic=True)
    return whole


def constants(data: bytes, inner: Inner) -> tuple[npt.NDArray[np.float64], ...]:
    from onnx import numpy_helper

    graph = read(_model(data))
    found: list[npt.NDArray[np.float64]] = []
    names, seen = [inner.name], set(inner.inputs)
    while names:
        name = names.pop()
        node = graph.producer.get(name)
        if name in seen or node is None:
            continue
        seen.add(name)
        if node.op_type == "DequantizeLinear" and node.input[0] in graph.constants:
            found.append(_dequantised(graph, node))
            continue
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            names.append(node.input[0])  # the others say how the value is stored
            continue
        for name in filter(None, node.input):
            if name not in graph.constants:
                names.append(name)
            elif graph.is_float(name):
                found.append(numpy_helper.to_array(graph.constants[name]).astype(np.float64))
    return tuple(found)


def _dequantised(graph: Graph, node: Any) -> npt.NDArray[np.float64]:
    """The real numbers of a DequantizeLinear that reads a constant."""
    from onnx import numpy_helper

    held = [numpy_helper.to_array(graph.constants[name]) for name in node.input]
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
    return dequantised(held[0], held[1], held[2] if len(held) > 2 else np.zeros_like(held[1]), axis)


def _model(data: bytes) -> Any:
    import onnx

    model = onnx.load_model_from_string(data)
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def _scale(graph: Graph, name: str, node: Any, found: dict[str, Inner]) -> tuple[float | None, int | None]:
    """Scale and zero point of an 8-bit value, from who writes or who reads it."""
    if graph.is_float(name):
        return None, None
    writer = graph.producer[name]
    readers = [one for one in graph.consumers.get(name, []) if one.op_type == "DequantizeLinear"]
    for coder in [writer, *readers]:
        if coder.op_type in ("QuantizeLinear", "DequantizeLinear") and (numbers := graph.scale(coder)):
            return numbers
    if node.op_type in OUTPUT_SCALE:
        from onnx import numpy_helper

        place = OUTPUT_SCALE[node.op_type]
        held = [graph.constants.get(key) for key in node.input[place : place + 2]]
        arrays = [numpy_helper.to_array(one).reshape(-1) for one in held if one is not None]
        if len(arrays) == 2 and arrays[0].size == arrays[1].size == 1:
            return float(arrays[0][0]), int(arrays[1][0])
    if node.op_type in SHUFFLES and node.input[0] in found:
        source = found[node.input[0]]
        return source.scale, source.zero_point
    return None, None


def _value(graph: Graph, name: str) -> Any:
    """The declaration of an input or output; without a type where none is known, for a runtime infers it."""
    import onnx
    from onnx import helper

    if name not in graph.types:
        return onnx.ValueInfoProto(name=name)
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(np.dtype(graph.types[name])), graph.shapes.get(name)
    )
