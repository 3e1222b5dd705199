"""The cost of an ONNX graph: multiply-accumulates, and memory of activations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgecnn.formats import _describing
from edgecnn.formats.onnx.absorbed import Absorbed
from edgecnn.formats.onnx.graph import NATIVE, Graph, reads

WEIGHTED = {
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"),
    *("QGemm", "MatMulNBits"),
}
RECURRENT = {"LSTM", "GRU", "RNN"}


def macs(graph: Graph) -> int | None:
    """Count the multiply-accumulates of convolutions, matrix products and recurrent layers.

    Returns:
        None if a shape is unknown, or if it depends on the branch taken or the number of repetitions.
    """
    if any(node.op_type in WEIGHTED | RECURRENT for part in graph.nested for node in part.nodes):
        return None
    total = 0
    for node in graph.nodes:
        if node.op_type in RECURRENT:
            known = [graph.shapes.get(name) for name in node.input[:3]]
            if any(shape is None for shape in known):
                return None
            sequence, *weights = (shape or () for shape in known)
            total += math.prod(sequence[:2]) * sum(map(math.prod, weights))  # every step of every sequence
            continue
        if node.op_type not in WEIGHTED:
            continue
        if node.op_type == "MatMulNBits":
            source = graph.shapes.get(node.input[0])
            if source is None:
                return None
            total += math.prod(source) * attribute(node, "N", 0)
            continue
        operand_names = operands(node)
        shapes = [graph.shapes.get(name) for name in (operand_names[0], operand_names[1], node.output[0])]
        if any(shape is None for shape in shapes):
            return None
        x, weight, out = (shape or () for shape in shapes)
        if node.op_type == "ConvTranspose":
            total += math.prod(x) * math.prod(weight[1:])  # weight (C, K / groups, kh, kw)
        elif "Conv" in node.op_type:
            total += math.prod(out) * math.prod(weight[1:])  # weight (K, C / groups, kh, kw)
        else:
            transposed = any(a.name == "transA" and a.i for a in node.attribute)
            total += math.prod(out) * (x[0] if transposed else x[-1])
    return total


def peak_bytes(graph: Graph, absorbed: Absorbed) -> int:
    """Compute the peak of the activations; a branch or a loop adds its own peak to what is alive around it."""
    own = {*graph.inputs, *(name for node in graph.nodes for name in node.output)}
    steps: list[_describing.Step] = []
    bytes_of: dict[str, int] = {}
    for node in graph.nodes:
        if node.output[0] in absorbed.inside:
            continue
        read = [absorbed.storage(name) for name in reads(node) if name not in graph.constants]
        written = [absorbed.storage(name) for name in node.output if name]
        if bodies := graph.bodies.get(node.output[0]):
            bytes_of[f"in {node.output[0]}"] = max(peak_bytes(body, Absorbed(body)) for body in bodies)
            written.append(f"in {node.output[0]}")
        if node.op_type in ("DequantizeLinear", "Cast") and node.input[0] in graph.constants:
            continue  # a weight
        steps.append((read, written))
    for name in {name for step in steps for names in step for name in names} | set(graph.inputs):
        if name in graph.shapes and name in own:
            bytes_of[name] = math.prod(graph.shapes[name]) * np.dtype(graph.types.get(name, "float32")).itemsize
    outputs = [absorbed.storage(name) for name in graph.outputs]
    return _describing.peak_bytes(steps, bytes_of, graph.inputs, outputs)


def operands(node: Any) -> list[str]:
    places = NATIVE.get(node.op_type)
    return [name for place, name in enumerate(node.input) if name and (places is None or place in places)]


def attribute(node: Any, name: str, default: int) -> int:
    return next((int(entry.i) for entry in node.attribute if entry.name == name), default)
