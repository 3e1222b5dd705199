"""The outline of an ONNX file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.formats._outline import Depthwise, Outline, OutlineOperator
from edgecnn.formats.onnx import graph as _onnx_graph
from edgecnn.formats.onnx.absorbed import Absorbed
from edgecnn.formats.onnx.cost import WEIGHTED
from edgecnn.formats.onnx.description import computes_in_float, runs_as_coder
from edgecnn.records import model_files

OWN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"}
"""Domains that ONNX Runtime has kernels for."""


def read(path: Path) -> Outline:
    """Read the graph of a file that `formats.describe` can read; a branch or loop counts as one operator."""
    import onnx

    model = onnx.load_model_from_string(model_files.whole(path))
    dynamic = tuple(_dynamic(model))
    outside = model_files.files_beside(path)
    graph = _onnx_graph.read(model)
    absorbed = Absorbed(graph)
    names: Counter[str] = Counter()
    operators, everywhere = [], [node for part in (graph, *graph.nested) for node in part.nodes]
    for node in graph.nodes:
        if node.output[0] in absorbed.inside or _of_constants(node, graph):
            continue
        names[node.op_type] += 1
        operators.append(
            OutlineOperator(
                name=node.name or f"{node.op_type}_{names[node.op_type]}",
                kind=node.op_type,
                reads=tuple(absorbed.storage(name) for name in _onnx_graph.reads(node) if name not in graph.constants),
                writes=tuple(absorbed.storage(name) for name in node.output if name),
                is_float=computes_in_float(node, graph, absorbed),
                is_coder=runs_as_coder(node, graph, absorbed),
            )
        )
    return Outline(
        operators=tuple(operators),
        inputs=tuple(graph.inputs),
        outputs=tuple(graph.outputs),
        dynamic=dynamic,
        outside_bytes=sum((path.parent / place).stat().st_size for place in outside),
        outside_files=outside,
        foreign=tuple(
            sorted({f"{node.domain}.{node.op_type}" for node in everywhere if node.domain not in OWN_DOMAINS})
        ),
        depthwise=tuple(_depthwise(graph)),
        opset=max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=None),
        ir_version=model.ir_version,
        is_stand_in=_is_stand_in(graph),
    )


def _dynamic(model: Any) -> list[str]:
    constants = {tensor.name for tensor in model.graph.initializer}
    return [
        f"input {value.name}, dimension {place}{f' ({size.dim_param})' if size.dim_param else ''}"
        for value in model.graph.input
        if value.name not in constants
        for place, size in enumerate(value.type.tensor_type.shape.dim)
        if not size.dim_value > 0
    ]


def _is_stand_in(graph: _onnx_graph.Graph) -> bool:
    """Return whether the weights of every weighted operator are filled with one number on loading."""
    weights = [node.input[1] for node in graph.nodes if node.op_type in WEIGHTED and len(node.input) > 1]
    return bool(weights) and all(_is_filled(name, graph) for name in weights)


def _is_filled(name: str, graph: _onnx_graph.Graph) -> bool:
    """Return whether a value is filled with one number, in any shape."""
    writer = graph.producer.get(name)
    if writer is not None and writer.op_type in _onnx_graph.SHUFFLES:
        return _is_filled(writer.input[0], graph)
    return writer is not None and writer.op_type == "ConstantOfShape"


def _of_constants(node: Any, graph: _onnx_graph.Graph) -> bool:
    """Return whether a node computes from constants alone, which a runtime does once, on loading."""
    return all(name in graph.constants for name in _onnx_graph.reads(node))


def _depthwise(graph: _onnx_graph.Graph) -> list[Depthwise]:
    from onnx import numpy_helper

    layers = []
    for node in graph.nodes:
        groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        coder = graph.producer.get(node.input[1]) if node.op_type == "Conv" else None
        weight, scale = None, None
        if coder is not None and coder.op_type == "DequantizeLinear":
            weight, scale = coder.input[0], coder.input[1]
        elif node.op_type == "QLinearConv":
            weight, scale = node.input[3], node.input[4]
        if groups < 2 or weight not in graph.constants or scale not in graph.constants:
            continue
        stored = numpy_helper.to_array(graph.constants[weight]).astype(np.int32)  # (K, 1, kh, kw)
        if graph.types[weight] == "uint8":
            stored = stored - 128
        largest = np.abs(stored.reshape(len(stored), -1)).max(1)
        count = int(np.prod(graph.shapes[scale], dtype=int))
        layers.append(Depthwise(name=node.name or node.output[0], scales=count, largest=tuple(largest.tolist())))
    return layers
