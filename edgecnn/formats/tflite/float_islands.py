"""Fences that keep the converter from quantising float layers between int8 ones.

It quantises a float layer between int8 tensors, although the layer is float on purpose. It has no int8 FLOOR, so a
FLOOR before the layer prevents this; afterwards the FLOOR is removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats.tflite.flatbuffer import operator_name

if TYPE_CHECKING:
    from torch.fx import GraphModule

FENCE = "FLOOR"


def fence(graph: GraphModule) -> GraphModule:
    """Put a fence before every layer of a converted graph whose weight is float and whose input was int8."""
    import torch
    from torch.fx import Node

    from edgecnn.nets import graph as dataflow

    for node in dataflow.layers(graph).values():
        source, weight = node.args[:2]
        assert isinstance(source, Node)
        assert isinstance(weight, Node)
        if weight.op == "get_attr" and "dequantize" in str(source.target):
            with graph.graph.inserting_before(node):
                node.replace_input_with(source, graph.graph.call_function(torch.ops.aten.floor.default, (source,)))
    graph.recompile()
    return graph


def unfence(model: Any) -> None:
    """Remove the fences from a ModelT: every FLOOR behind a DEQUANTIZE."""
    graph = model.subgraphs[0]
    coded = {
        int(candidate.outputs[0]) for candidate in graph.operators if operator_name(model, candidate) == "DEQUANTIZE"
    }
    for operator in [candidate for candidate in graph.operators if operator_name(model, candidate) == FENCE]:
        if int(operator.inputs[0]) not in coded:
            continue
        inside, outside = int(operator.outputs[0]), int(operator.inputs[0])
        graph.operators.remove(operator)
        for other in graph.operators:
            other.inputs = np.array([outside if index == inside else index for index in other.inputs], np.int32)
    used = sorted({int(operator.opcodeIndex) for operator in graph.operators})
    model.operatorCodes = [model.operatorCodes[index] for index in used]
    for operator in graph.operators:
        operator.opcodeIndex = used.index(int(operator.opcodeIndex))
