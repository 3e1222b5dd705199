"""Changes to an ONNX graph after torch exported it; none changes what the graph computes.

For int8 the input and output become bytes, activations become uint8 if the target's kernels want that, and biases
become int32, so that old runtimes also run a convolution as int8.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.formats import _describing

WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


def cut_edges(model: Any) -> None:
    """Let the graph begin behind its first QuantizeLinear and end before its last DequantizeLinear."""
    graph = model.graph
    entry, leaving = graph.input[0], graph.output[0]
    (first,) = (node for node in graph.node if entry.name in node.input)
    (last,) = (node for node in graph.node if leaving.name in node.output)
    assert (first.op_type, last.op_type) == ("QuantizeLinear", "DequantizeLinear")
    zero_points = _constants(model)
    for value, node, inner in ((entry, first, first.output[0]), (leaving, last, last.input[0])):
        graph.node.remove(node)
        _rename(graph, inner, value.name)
        value.type.tensor_type.elem_type = zero_points[node.input[2]].data_type


def edges_as(model: Any, io: str) -> None:
    """Let the cut int8 graph take and return `io`: "int8", "uint8" or "float32" (raw pixels in, logits out).

    This is exact: a pixel is an integer, and int8 and uint8 tensors with zero points 128 apart hold the same real
    numbers.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph, constants = model.graph, _constants(model)
    entry, leaving = graph.input[0], graph.output[0]
    inner = entry.type.tensor_type.elem_type
    outer = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}[io]
    if inner == outer:
        return
    (last,) = (node for node in graph.node if leaving.name in node.output)
    zero_points = {TensorProto.INT8: np.int8(-128), TensorProto.UINT8: np.uint8(0)}
    unsigned_zero = int(_value(constants, last.input[2])) - int(zero_points[inner])  # of the output as uint8
    scale = _value(constants, last.input[1])

    def constant(name: str, value: npt.NDArray[Any] | np.generic) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    pixel = constant("pixel_scale", np.float32(1.0))
    for value in (entry, leaving):
        value.type.tensor_type.elem_type = outer
        _rename(graph, value.name, f"{value.name}_inner")
    before, after = "input", f"{entry.name}_inner"
    coders = []
    if outer != TensorProto.FLOAT:
        before = "pixels"
        zero = constant("outer_pixel_zero_point", zero_points[outer])
        coders.append(helper.make_node("DequantizeLinear", [entry.name, pixel, zero], [before]))
    zero = constant("pixel_zero_point", zero_points[inner])
    coders.append(helper.make_node("QuantizeLinear", [before, pixel, zero], [after]))
    for place, node in enumerate(coders):
        graph.node.insert(place, node)
    real = leaving.name if outer == TensorProto.FLOAT else f"{leaving.name}_real"
    graph.node.append(helper.make_node("DequantizeLinear", [f"{leaving.name}_inner", *last.input[1:3]], [real]))
    if outer != TensorProto.FLOAT:
        shifted = np.asarray(unsigned_zero + int(zero_points[outer])).astype(zero_points[outer].dtype)
        numbers = [constant("outer_scale", scale), constant("outer_zero_point", shifted)]
        graph.node.append(helper.make_node("QuantizeLinear", [real, *numbers], [leaving.name]))


def weights_to_float16(model: Any) -> None:
    """Store weights and biases in half precision and cast them on loading; the file computes in float32.

    Single numbers keep their precision.

    Raises:
        EnvironmentUnfit: A value exceeds half precision.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph, constants = model.graph, _constants(model)
    cast: set[str] = set()
    for node in list(graph.node):
        if node.op_type not in WEIGHTED:
            continue
        for name in node.input[1:]:
            constant = constants.get(name)
            if name in cast or constant is None or constant.data_type != TensorProto.FLOAT:
                continue
            value = numpy_helper.to_array(constant)
            if value.size < 2:
                continue
            cast.add(name)
            graph.initializer.remove(constant)
            graph.initializer.append(numpy_helper.from_array(_describing.halved(value, name), f"{name}_fp16"))
            graph.node.insert(0, helper.make_node("Cast", [f"{name}_fp16"], [name], to=TensorProto.FLOAT))


def activations_to_uint8(model: Any) -> None:
    """Change int8 activations with zero point z to uint8 with zero point z + 128: the same real numbers."""
    from onnx import TensorProto

    graph, constants = model.graph, _constants(model)
    for node in graph.node:
        is_activation = node.op_type == "QuantizeLinear" or (
            node.op_type == "DequantizeLinear" and node.input[0] not in constants
        )
        if is_activation:
            node.input[2] = _raised(graph, constants, node.input[2])
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type == TensorProto.INT8:
            value.type.tensor_type.elem_type = TensorProto.UINT8


def weights_to_uint8(model: Any) -> None:
    """Change int8 weights to uint8 with zero point 128: the same real numbers, in sums that no CPU saturates.

    Weights of depthwise convolutions stay, since their kernels widen products before adding any two.
    """
    graph, constants = model.graph, _constants(model)
    dequantised = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    for node in graph.node:
        coder = dequantised.get(node.input[1]) if node.op_type in WEIGHTED else None
        if coder is None or coder.input[0] not in constants:
            continue
        weight = _value(constants, coder.input[0])
        depthwise = node.op_type == "Conv" and weight.shape[1] == 1 and _groups(node) == len(weight) != 1
        if weight.dtype == np.int8 and not depthwise:
            for place in (0, 2):
                coder.input[place] = _raised(graph, constants, coder.input[place])


def _raised(graph: Any, constants: dict[str, Any], name: str) -> str:
    """Return the name of an int8 constant as uint8, 128 higher, adding it if it does not exist yet."""
    from onnx import numpy_helper

    raised = f"{name}_uint8"
    if raised not in constants:
        value = (_value(constants, name).astype(np.int16) + 128).astype(np.uint8)
        graph.initializer.append(numpy_helper.from_array(value, raised))
        constants[raised] = graph.initializer[-1]
    return raised


def _groups(node: Any) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)


def global_pools(model: Any) -> None:
    """Replace a mean over height and width by GlobalAveragePool, which has an int8 kernel; ReduceMean has none."""
    from onnx import helper, numpy_helper

    constants = _constants(model)
    for node in model.graph.node:
        if node.op_type != "ReduceMean" or len(node.input) < 2 or node.input[1] not in constants:
            continue
        axes = sorted(int(axis) % 4 for axis in numpy_helper.to_array(constants[node.input[1]]))
        keeps = all(attribute.i for attribute in node.attribute if attribute.name == "keepdims")
        if axes == [2, 3] and keeps:
            pool = helper.make_node("GlobalAveragePool", node.input[:1], node.output, name=node.name)
            node.CopyFrom(pool)


def fold_weight_transposes(model: Any) -> None:
    """Store an int8 weight transposed if the graph dequantises and then transposes it."""
    from onnx import numpy_helper

    graph, constants = model.graph, _constants(model)
    writer = {node.output[0]: node for node in graph.node}
    for node in [node for node in graph.node if node.op_type == "Transpose"]:
        coder = writer.get(node.input[0])
        if coder is None or coder.op_type != "DequantizeLinear" or coder.input[0] not in constants:
            continue
        order = list(next(attribute.ints for attribute in node.attribute if attribute.name == "perm"))
        weight = numpy_helper.to_array(constants[coder.input[0]])
        name = f"{coder.input[0]}_transposed"
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(weight.transpose(order)), name))
        coder.input[0], coder.output[0] = name, node.output[0]
        for attribute in coder.attribute:
            if attribute.name == "axis":
                attribute.i = order.index(attribute.i)
        graph.node.remove(node)


def biases_to_int32(model: Any) -> None:
    """Store a float bias between int8 input and weights as int32 with scale input x weight, as TFLite does.

    Zero biases that torch's optimiser dropped stay dropped.
    """
    from onnx import helper, numpy_helper

    graph, constants = model.graph, _constants(model)
    dequantised = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    for node in list(graph.node):
        if node.op_type not in ("Conv", "Gemm") or len(node.input) < 3 or node.input[2] not in constants:
            continue
        x, weight = dequantised.get(node.input[0]), dequantised.get(node.input[1])
        if x is None or weight is None:
            continue
        bias = numpy_helper.to_array(constants[node.input[2]])
        scale = _value(constants, x.input[1]).astype(np.float64) * _value(constants, weight.input[1])
        scale = np.broadcast_to(scale.astype(np.float32), bias.shape)
        limit = 2**31 - 1
        stored = np.clip(np.round(bias.astype(np.float64) / scale), -limit, limit).astype(np.int32)
        name = node.input[2]
        graph.initializer.extend(
            [
                numpy_helper.from_array(stored, f"{name}_int32"),
                numpy_helper.from_array(np.ascontiguousarray(scale), f"{name}_scale"),
                numpy_helper.from_array(np.zeros(bias.shape, np.int32), f"{name}_zero_point"),
            ]
        )
        inputs = [f"{name}_int32", f"{name}_scale", f"{name}_zero_point"]
        dequantise = helper.make_node("DequantizeLinear", inputs, [f"{name}_real"], name=f"{name}_dequantise", axis=0)
        graph.node.insert(list(graph.node).index(node), dequantise)
        node.input[2] = f"{name}_real"


def tidy(model: Any, ir_version: int) -> None:
    """Drop unused constants and torch's notes on its source, and declare the oldest IR version that suffices."""
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    used_constants = [constant for constant in graph.initializer if constant.name in used]
    del graph.initializer[:], graph.value_info[:], model.metadata_props[:]
    graph.initializer.extend(used_constants)
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        item.doc_string = ""
        del item.metadata_props[:]
    seen: Counter[str] = Counter()
    for node in graph.node:  # torch's numbers depend on what its process exported before
        seen[node.op_type] += 1
        node.name = f"{node.op_type}_{seen[node.op_type]}"
    model.ir_version = ir_version


def _constants(model: Any) -> dict[str, Any]:
    return {constant.name: constant for constant in model.graph.initializer}


def _value(constants: dict[str, Any], name: str) -> npt.NDArray[Any]:
    from onnx import numpy_helper

    value: npt.NDArray[Any] = numpy_helper.to_array(constants[name])
    return value


def _rename(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
