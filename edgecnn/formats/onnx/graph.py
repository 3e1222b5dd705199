"""An ONNX graph prepared for analysis: constants, types, writers and readers of values, and graphs in its branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgecnn.common import sizes
from edgecnn.errors import ModelFileError

SHUFFLES = {"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Gather", "Slice", "Identity", "MaxPool"}
"""Operators that move int8 values without computing."""
NATIVE = {
    # operator on integers -> indices of its operands; the other inputs are scales and zero points
    "QLinearConv": (0, 3, 8),
    "QLinearMatMul": (0, 3),
    "ConvInteger": (0, 1),
    "MatMulInteger": (0, 1),
    # from ONNX Runtime's own domain
    "QGemm": (0, 3, 6),
    "QLinearAdd": (0, 3),
    "QLinearMul": (0, 3),
    "QLinearAveragePool": (0,),
    "QLinearGlobalAveragePool": (0,),
    "QLinearReduceMean": (0,),
    "QLinearSigmoid": (0,),
    "QLinearLeakyRelu": (0,),
    "QLinearSoftmax": (0,),
    "QLinearConcat": (2,),
}
CODERS = {"QuantizeLinear", "DequantizeLinear"}


@dataclass
class Graph:
    """A graph of a model, with constants separate from nodes."""

    nodes: list[Any]
    constants: dict[str, Any]
    """TensorProto by name, including those of Constant nodes."""
    types: dict[str, str]
    """NumPy dtype names of values, as far as they are known."""
    shapes: dict[str, tuple[int, ...]]
    """Shapes of values whose sizes are all known; an open batch counts as 1."""
    inputs: list[str]
    outputs: list[str]
    edges: dict[str, tuple[int, ...]]
    """Sizes of inputs and outputs, 0 for one that is open."""
    bodies: dict[str, list[Graph]] = field(default_factory=dict)
    """The graphs inside an If, Loop or Scan, by its first output; they also know the names of this graph."""
    producer: dict[str, Any] = field(init=False)
    consumers: dict[str, list[Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.producer = {name: node for node in self.nodes for name in node.output if name}
        self.consumers = {}
        for node in self.nodes:
            for name in dict.fromkeys(reads(node)):
                self.consumers.setdefault(name, []).append(node)

    @property
    def nested(self) -> list[Graph]:
        """All graphs in its branches and loops, at any depth."""
        own_bodies = [body for bodies in self.bodies.values() for body in bodies]
        return [part for body in own_bodies for part in (body, *body.nested)]

    def is_float(self, name: str) -> bool:
        return self.types.get(name, "float32").startswith(("float", "bfloat"))

    def scale(self, node: Any) -> tuple[float, int] | None:
        """Return scale and zero point of a QuantizeLinear or DequantizeLinear if each is a single constant."""
        from onnx import numpy_helper

        if len(node.input) < 2 or node.input[1] not in self.constants:
            return None
        scale = numpy_helper.to_array(self.constants[node.input[1]]).reshape(-1)
        zero_point = np.zeros(1, np.int64)
        if len(node.input) > 2 and node.input[2] in self.constants:
            zero_point = numpy_helper.to_array(self.constants[node.input[2]]).reshape(-1)
        if scale.size != 1 or zero_point.size != 1:
            return None
        return float(scale[0]), int(zero_point[0])


def read(model: Any, input_shape: Sequence[int] = ()) -> Graph:
    """Read the Graph of a ModelProto and infer its shapes.

    Args:
        model: The ModelProto.
        input_shape: All sizes of its first input, if the file leaves some open.

    Raises:
        ModelFileError: A value is read that nothing writes.
    """
    import onnx

    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    _fix_sizes(model, input_shape)
    graph = _graph(_inferred(model).graph, None)
    _require_sources(graph.nodes, {*graph.constants, *graph.inputs}, graph.outputs)
    return graph


def reads(node: Any) -> list[str]:
    """Return the names that a node reads: its inputs, and what the graphs inside it take from around them."""
    names = [name for name in node.input if name]
    for body in _bodies(node):
        own = {value.name for value in (*body.input, *body.initializer)}
        own.update(name for inner in body.node for name in inner.output)
        wanted = [*(name for inner in body.node for name in reads(inner)), *(value.name for value in body.output)]
        names += [name for name in wanted if name and name not in own]
    return names


def _graph(graph: Any, around: Graph | None) -> Graph:
    """Build the Graph of a GraphProto; `around` is the graph whose node contains it."""
    constants = {**(around.constants if around else {}), **{constant.name: constant for constant in graph.initializer}}
    nodes = []
    for node in graph.node:
        if node.op_type == "Constant" and len(node.attribute) == 1 and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
        else:
            nodes.append(node)
    types: dict[str, str] = dict(around.types if around else {})
    shapes: dict[str, tuple[int, ...]] = dict(around.shapes if around else {})
    edges: dict[str, tuple[int, ...]] = {}
    ends = {value.name for value in (*graph.input, *graph.output)}
    for name, constant in constants.items():
        types[name] = _dtype(constant.data_type)
        shapes[name] = tuple(constant.dims)
    for value in (*graph.value_info, *graph.input, *graph.output):
        tensor = value.type.tensor_type
        if tensor.elem_type:
            types[value.name] = _dtype(tensor.elem_type)
        if tensor.HasField("shape"):
            shape = sizes.with_batch(stated(value), [dimension.dim_param for dimension in tensor.shape.dim])
            shapes.update({value.name: shape} if all(shape) else {})
            edges.update({value.name: shape} if value.name in ends else {})
    for node in nodes:  # shape inference does not know ONNX Runtime's own operators
        if node.op_type in NATIVE.keys() | SHUFFLES and node.output[0] not in types:
            source = node.input[NATIVE.get(node.op_type, (0,))[0]]
            types.update({node.output[0]: types[source]} if source in types else {})
    inputs = [value.name for value in graph.input if value.name not in constants]
    result = Graph(nodes, constants, types, shapes, inputs, [value.name for value in graph.output], edges)
    result.bodies = {
        node.output[0]: [_graph(body, result) for body in _bodies(node)] for node in nodes if _bodies(node)
    }
    return result


def _bodies(node: Any) -> list[Any]:
    """Return the graphs inside an If, Loop or Scan."""
    import onnx

    graph = onnx.AttributeProto.GRAPH
    return [attribute.g for attribute in node.attribute if attribute.type == graph]


def _inferred(model: Any) -> Any:
    """Return the model with inferred shapes and types.

    A file that uses a domain without importing it, as makers of custom operators do, is returned as it is.
    """
    import onnx

    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return model


def stated(value: Any) -> tuple[int, ...]:
    """Return the sizes of an input or output in the file, 0 for one that is open."""
    return tuple(max(0, dimension.dim_value) for dimension in value.type.tensor_type.shape.dim)


def entry(model: Any) -> Any:
    """Return the first input that is not a constant."""
    constants = {constant.name for constant in model.graph.initializer}
    return next((value for value in model.graph.input if value.name not in constants), None)


def _fix_sizes(model: Any, input_shape: Sequence[int]) -> None:
    """Write the first input's sizes and every open batch into the graph, wherever their names occur."""
    first = entry(model)
    named: dict[str, int] = {}
    for value in model.graph.input:
        tensor = value.type.tensor_type
        if not tensor.HasField("shape") and not (value is first and input_shape):
            continue
        names = [dimension.dim_param for dimension in tensor.shape.dim]
        fixed = tuple(input_shape) if value is first and input_shape else sizes.with_batch(stated(value), names)
        while len(tensor.shape.dim) < len(fixed):
            tensor.shape.dim.add()
        for dimension, size in zip(tensor.shape.dim, fixed, strict=True):
            if size:
                named.setdefault(dimension.dim_param, size)
                dimension.dim_value = size
    for value in (*model.graph.value_info, *model.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param and dimension.dim_param in named:
                dimension.dim_value = named[dimension.dim_param]


def _require_sources(nodes: list[Any], known: set[str], outputs: list[str]) -> None:
    """Check that every value is written before it is read; ModelFileError names the first that is not."""
    for node in nodes:
        for name in node.input:
            if name and name not in known:
                raise ModelFileError(f"a {node.op_type} reads {name!r}, which nothing wrote.", "is it complete?")
        known.update(node.output)
    for name in outputs:
        if name not in known:
            raise ModelFileError(f"nothing writes its output {name!r}.", "is it complete?")


def _dtype(elem_type: int) -> str:
    import onnx

    return str(onnx.helper.tensor_dtype_to_np_dtype(elem_type))
