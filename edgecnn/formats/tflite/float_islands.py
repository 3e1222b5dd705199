"""Layers that are to stay float between int8 ones: fenced off while the converter runs.

It quantises a float layer it finds between int8 tensors by itself, so that the layer that was kept float on purpose is
int8 after all. It has no int8 FLOOR: one in front of the layer stops it, and is taken out again.
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
    """Take the fences out of a ModelT: what stands behind a DEQUANTIZE, and nowhere else."""
    graph = model.subgraphs[0]
    coded = {int(one.outputs[0]) for one in graph.operators if operator_name(model, one) == "DEQUANTIZE"}
    for operator in [one for one in graph.operators if operator_name(model, one) == FENCE]:
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
