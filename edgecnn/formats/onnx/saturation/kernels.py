"""The int8 operators into which ONNX Runtime turns a file, and which of them add two products in 16 bits.

A QDQ file does not tell what runs: some layers stay float, and on x86-64 int8 activations become uint8. So the
runtime's own graph is examined. Which operators add products in pairs, and in which order, was measured layer by layer
on an emulated Haswell (ONNX Runtime 1.31); every value agreed with one computed by hand. Neighbours are (0, 1), (2, 3),
... along (kh, kw, C / groups) of a convolution and along the inner dimension of a matrix product. Depthwise
convolutions and ConvInteger widen first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Places:
    """Indices of an operator's operands among its inputs."""

    x: int
    x_zero_point: int
    weight: int
    weight_zero_point: int


OPERATORS = {
    "QLinearConv": Places(0, 2, 3, 5),
    "QLinearMatMul": Places(0, 2, 3, 5),
    "QGemm": Places(0, 2, 3, 5),
    "MatMulInteger": Places(0, 2, 1, 3),
    "MatMulIntegerToFloat": Places(0, 4, 1, 5),
    "DynamicQuantizeMatMul": Places(0, -1, 1, 3),
    "ConvInteger": Places(0, 2, 1, 3),
}
"""Operators from ONNX and from ONNX Runtime's domain; DynamicQuantizeMatMul makes its input uint8 itself."""
WIDENING = ("ConvInteger",)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """An operator that multiplies 8-bit integers by 8-bit weights."""

    node: Any
    """Its NodeProto in the fused graph."""
    weight: npt.NDArray[Any]
    is_unsigned: bool
    """Whether its input is uint8."""

    @property
    def name(self) -> str:
        return str(self.node.name or self.node.output[0])

    @property
    def operator(self) -> str:
        return str(self.node.op_type)

    @property
    def places(self) -> Places:
        return OPERATORS[self.operator]

    @property
    def is_convolution(self) -> bool:
        return "Conv" in self.operator

    @property
    def adds_pairs(self) -> bool:
        """True if the kernel multiplies uint8 by int8 and adds two products before widening them."""
        depthwise = self.is_convolution and self.weight.shape[1] == 1 and groups(self.node) == len(self.weight)
        signed = self.weight.dtype == np.int8
        return self.is_unsigned and signed and not depthwise and self.operator not in WIDENING

    @property
    def rows(self) -> npt.NDArray[Any]:
        """The weights (K, n) of each output channel, in the order in which they are multiplied."""
        if self.is_convolution:  # (K, C / groups, ...)
            return np.moveaxis(self.weight, 1, -1).reshape(len(self.weight), -1)
        if self.operator == "QGemm" and attribute(self.node, "transB", 0):  # (K, n)
            return self.weight
        columns = np.moveaxis(np.atleast_2d(self.weight.T).T, -2, -1)  # (..., K, n)
        return columns.reshape(-1, columns.shape[-1])


def read(model: Any) -> tuple[Kernel, ...]:
    """List the operators of a fused graph whose weights it holds, in execution order."""
    from onnx import TensorProto, numpy_helper, shape_inference

    constants = {constant.name: constant for constant in model.graph.initializer}
    inferred = shape_inference.infer_shapes(model).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.input)}
    types |= {name: constant.data_type for name, constant in constants.items()}
    found_kernels = []
    for node in model.graph.node:
        places = OPERATORS.get(node.op_type)
        if places is None or node.input[places.weight] not in constants:
            continue
        zero_point = node.input[places.x_zero_point] if 0 <= places.x_zero_point < len(node.input) else ""
        elem_type = types.get(zero_point or node.input[places.x])
        unsigned = node.op_type == "DynamicQuantizeMatMul" or elem_type == TensorProto.UINT8
        weight = numpy_helper.to_array(constants[node.input[places.weight]])
        found_kernels.append(Kernel(node=node, weight=weight, is_unsigned=unsigned))
    return tuple(found_kernels)


def unsign(model: Any) -> None:
    """Make the fused graph exact on every CPU by changing int8 weights w that are added in pairs to uint8 w + 128.

    With a zero point 128 higher they are the same real numbers.
    """
    from onnx import numpy_helper

    graph = model.graph
    constants = {constant.name: constant for constant in graph.initializer}

    def add(name: str, value: npt.NDArray[Any]) -> str:
        if name not in constants:
            constants[name] = numpy_helper.from_array(value, name)
            graph.initializer.append(constants[name])
        return name

    for kernel in read(model):
        if not kernel.adds_pairs:
            continue
        node, places = kernel.node, kernel.places
        node.input.extend([""] * (places.weight_zero_point + 1 - len(node.input)))
        zero_point, old = np.zeros((), np.int8), node.input[places.weight_zero_point]
        if old:
            zero_point = numpy_helper.to_array(constants[old])
        node.input[places.weight] = add(f"{node.input[places.weight]}_unsigned", raised(kernel.weight))
        node.input[places.weight_zero_point] = add(f"{old or 'no_zero_point'}_unsigned", raised(zero_point))
    used = {name for node in graph.node for name in node.input}
    used_constants = [constant for constant in graph.initializer if constant.name in used]
    del graph.initializer[:]
    graph.initializer.extend(used_constants)


def attribute(node: Any, name: str, default: int) -> int:
    return next((int(entry.i) for entry in node.attribute if entry.name == name), default)


def groups(node: Any) -> int:
    return attribute(node, "group", 1)


def raised(value: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return int8 values as uint8, 128 higher."""
    return (value.astype(np.int16) + 128).astype(np.uint8)
