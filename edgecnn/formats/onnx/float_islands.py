"""A form of float layers between int8 ones that ONNX Runtime does not quantise.

Recent versions (seen in 1.31) quantise a float Conv or Gemm between a DequantizeLinear and a QuantizeLinear, with one
scale for the whole weight (their pass WeightBiasQuantization), although the layer is float on purpose. They do so only
if the input has a single scale, so writing the same scale once per index along an axis prevents it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

LAYERS = ("Conv", "Gemm")


def keep(model: Any) -> None:
    """Give float layers behind int8 their own DequantizeLinear, its scale repeated along the widest axis."""
    from onnx import helper, numpy_helper, shape_inference

    graph = model.graph
    constants = {constant.name: constant for constant in graph.initializer}
    writers = {name: node for node in graph.node for name in node.output}
    inferred = shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.input)
    }
    for node in [node for node in graph.node if node.op_type in LAYERS and node.input[1] in constants]:
        coder = writers.get(node.input[0])
        if coder is None or coder.op_type != "DequantizeLinear" or coder.input[0] in constants:
            continue
        shape = shapes[coder.input[0]]
        axis = int(np.argmax(shape))
        names = []
        for name in coder.input[1:3]:
            repeated = np.full(shape[axis], numpy_helper.to_array(constants[name]))
            names.append(f"{name}_along_{axis}_of_{shape[axis]}")
            if names[-1] not in constants:
                constants[names[-1]] = numpy_helper.from_array(repeated, names[-1])
                graph.initializer.append(constants[names[-1]])
        own = f"{node.input[0]}_for_{node.output[0]}"
        coding = helper.make_node("DequantizeLinear", [coder.input[0], *names], [own], axis=axis)
        graph.node.insert(list(graph.node).index(node), coding)
        node.input[0] = own
    used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    for node in [node for node in graph.node if node.op_type == "DequantizeLinear" and node.output[0] not in used]:
        graph.node.remove(node)
