"""An ONNX graph as its reader wants it: constants, types, who writes and who reads, and what int8 kernels take over.

In a QDQ graph an operator between DequantizeLinear and QuantizeLinear runs in int8 if the runtime has a kernel
for it; the float values in between then never exist. `Absorbed` finds these places, by the rules of ONNX
Runtime's transformers (onnxruntime/core/optimizer/qdq_transformer, 1.31).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgecnn import sizes
from edgecnn.errors import ModelFileError

SHUFFLES = {"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Gather", "Slice", "Identity", "MaxPool"}
"""They move int8 values about without computing."""
POINTWISE = {
    "LeakyRelu",
    "Sigmoid",
    "Softmax",
    "AveragePool",
    "GlobalAveragePool",
    "Concat",
    "Split",
    "Resize",
    "Where",
}
PAIRED = {"Conv", "Gemm", "MatMul", "Add", "Mul"}
"""Both operands must be quantised."""
KERNELS = SHUFFLES | POINTWISE | PAIRED
NATIVE = {
    # operator on integers -> places of its operands; the other inputs are scales and zero points
    "QLinearConv": (0, 3, 8),
    "QLinearMatMul": (0, 3),
    "ConvInteger": (0, 1),
    "MatMulInteger": (0, 1),
    # of ONNX Runtime's own domain
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
    """The main graph of a model, its constants apart from its nodes."""

    nodes: list[Any]
    constants: dict[str, Any]
    """TensorProto by name; Constant nodes among them."""
    types: dict[str, str]
    """NumPy dtype name of a value, where it is known."""
    shapes: dict[str, tuple[int, ...]]
    """Of every value whose sizes are known; a batch that is open counts as 1."""
    inputs: list[str]
    outputs: list[str]
    edges: dict[str, tuple[int, ...]]
    """Sizes of every input and output, 0 for one that is open."""
    producer: dict[str, Any] = field(init=False)
    consumers: dict[str, list[Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.producer = {name: node for node in self.nodes for name in node.output if name}
        self.consumers = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                self.consumers.setdefault(name, []).append(node)

    def is_float(self, name: str) -> bool:
        return self.types.get(name, "float32").startswith(("float", "bfloat"))

    def scale(self, node: Any) -> tuple[float, int] | None:
        """Scale and zero point of a QuantizeLinear or DequantizeLinear, if they are one constant each."""
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
    """The Graph of a ModelProto, shapes inferred.

    input_shape: the sizes of its first input, all of them, where the file leaves some open.
    """
    import onnx

    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    _fix_sizes(model, input_shape)
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    constants = {constant.name: constant for constant in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type == "Constant" and len(node.attribute) == 1 and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
        else:
            nodes.append(node)
    types: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
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
    for node in nodes:  # shape inference knows no type of ONNX Runtime's own operators
        if node.op_type in NATIVE.keys() | SHUFFLES and node.output[0] not in types:
            source = node.input[NATIVE.get(node.op_type, (0,))[0]]
            types.update({node.output[0]: types[source]} if source in types else {})
    inputs = [value.name for value in graph.input if value.name not in constants]
    _require_sources(nodes, {*constants, *inputs}, [value.name for value in graph.output])
    return Graph(nodes, constants, types, shapes, inputs, [value.name for value in graph.output], edges)


def stated(value: Any) -> tuple[int, ...]:
    """The sizes of an input or output as the file has them, 0 for one that is open."""
    return tuple(max(0, dimension.dim_value) for dimension in value.type.tensor_type.shape.dim)


def entry(model: Any) -> Any:
    """The first input that no constant stands for."""
    constants = {constant.name for constant in model.graph.initializer}
    return next((value for value in model.graph.input if value.name not in constants), None)


def _fix_sizes(model: Any, input_shape: Sequence[int]) -> None:
    """Write the first input's sizes and every open batch into the graph, wherever their names stand."""
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
    """Every value is written before it is read; ModelFileError names the first that is not."""
    for node in nodes:
        for name in node.input:
            if name and name not in known:
                raise ModelFileError(f"a {node.op_type} reads {name!r}, which nothing wrote.", "is it complete?")
        known.update(node.output)
    for name in outputs:
        if name not in known:
            raise ModelFileError(f"nothing writes its output {name!r}.", "is it complete?")


@dataclass
class Absorbed:
    """What runs inside int8 kernels of a QDQ graph, and under which name its values are stored."""

    graph: Graph
    operators: list[str] = field(default_factory=list)
    """First output of every operator that an int8 kernel takes over."""
    inside: set[str] = field(default_factory=set)
    """First output of every Relu, Clip, bias, QuantizeLinear and DequantizeLinear that vanishes into a kernel."""
    alias: dict[str, str] = field(default_factory=dict)
    """A float value that never exists -> the 8-bit tensor that stands for it."""

    def __post_init__(self) -> None:
        taken = set()
        for node in self.graph.nodes:
            if node.op_type in KERNELS and self._reads_int8(node):
                chains = [self._chain_to_int8(output) for output in node.output if output]
                if chains and all(chain is not None for chain in chains):
                    taken.add(node.output[0])
                    self.operators.append(node.output[0])
                    for chain in chains:
                        for name in (chain or [])[:-1]:
                            self.alias[name] = (chain or [])[-1]
                        self.inside.update((chain or [])[1:])
        for node in self.graph.nodes:
            if node.op_type == "DequantizeLinear":
                readers = self.graph.consumers.get(node.output[0], [])
                if readers and all(reader.output[0] in taken for reader in readers):
                    self.inside.add(node.output[0])
                    self.alias[node.output[0]] = node.input[0]

    def storage(self, name: str) -> str:
        while name in self.alias:
            name = self.alias[name]
        return name

    def _reads_int8(self, node: Any) -> bool:
        graph = self.graph
        needed = [name for name in node.input if name and graph.is_float(name) and name not in graph.constants]
        if node.op_type in PAIRED:
            needed.extend(node.input[:2])
        writers = [graph.producer.get(name) for name in needed]
        return bool(needed) and all(
            writer is not None and writer.op_type == "DequantizeLinear" and self._has_8_bits(writer.input[0])
            for writer in writers
        )

    def _has_8_bits(self, name: str) -> bool:
        """No kernel of ONNX Runtime's CPU provider takes over what is stored in 16 bits, or in 4; a bias has 32."""
        return self.graph.types.get(name, "uint8") in ("int8", "uint8", "int32")

    def _chain_to_int8(self, name: str) -> list[str] | None:
        """From a value through an activation to the quantised tensor, the last; None if it leads elsewhere."""
        readers = self.graph.consumers.get(name, [])
        if len(readers) != 1 or name in self.graph.outputs:
            return None
        (reader,) = readers
        if reader.op_type == "QuantizeLinear":
            return [name, reader.output[0]] if self._has_8_bits(reader.output[0]) else None
        if reader.op_type == "Add" and self.graph.producer[name].op_type == "MatMul":
            if self.graph.constants.keys().isdisjoint(reader.input):
                return None
            rest = self._chain_to_int8(reader.output[0])  # the bias of a dense layer
            return None if rest is None else [name, *rest]
        if reader.op_type in ("Relu", "Clip"):
            rest = self._chain_to_int8(reader.output[0])
            if rest is not None and self._saturates(reader, self.graph.producer[rest[-1]]):
                return [name, *rest]
        return None

    def _saturates(self, activation: Any, coder: Any) -> bool:
        """Whether the quantised range ends where the activation does, so that storing a value applies it."""
        from onnx import numpy_helper

        numbers = self.graph.scale(coder)
        if numbers is None:
            return False
        scale, zero_point = numbers
        span = np.iinfo(self.graph.types.get(coder.output[0], "uint8"))
        low, high = scale * (span.min - zero_point), scale * (span.max - zero_point)
        bounds = [0.0, np.inf]
        if activation.op_type == "Clip":
            bounds = [-np.inf, np.inf]
            for place, name in enumerate(activation.input[1:3]):
                if name and name not in self.graph.constants:
                    return False
                if name:
                    bounds[place] = float(numpy_helper.to_array(self.graph.constants[name]).reshape(()))
        slack = scale * 1e-3
        return bool(low >= bounds[0] - slack and high <= bounds[1] + slack)


def _dtype(elem_type: int) -> str:
    import onnx

    return str(onnx.helper.tensor_dtype_to_np_dtype(elem_type))
