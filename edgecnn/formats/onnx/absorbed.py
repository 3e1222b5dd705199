"""Find the operators of an ONNX graph that run inside int8 kernels.

In a QDQ graph an operator between DequantizeLinear and QuantizeLinear runs in int8 if the runtime has a kernel for it;
the float values in between then never exist. `Absorbed` finds these operators by the rules of ONNX Runtime's
transformers (onnxruntime/core/optimizer/qdq_transformer, 1.31).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgecnn.formats.onnx.graph import SHUFFLES, Graph

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
"""Operators that need both operands quantised."""
KERNELS = SHUFFLES | POINTWISE | PAIRED


@dataclass
class Absorbed:
    """The operators that run inside int8 kernels of a QDQ graph, and the tensors that store their values."""

    graph: Graph
    operators: list[str] = field(default_factory=list)
    """First output of each operator that an int8 kernel replaces."""
    inside: set[str] = field(default_factory=set)
    """First output of each Relu, Clip, bias, QuantizeLinear and DequantizeLinear that becomes part of a kernel."""
    alias: dict[str, str] = field(default_factory=dict)
    """The 8-bit tensor that represents each float value that never exists."""

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
        """Return False for 16 or 4 bits, for which ONNX Runtime's CPU provider has no such kernel; a bias has 32."""
        return self.graph.types.get(name, "uint8") in ("int8", "uint8", "int32")

    def _chain_to_int8(self, name: str) -> list[str] | None:
        """Return the values from `name` through an activation to the quantised tensor; None if it leads elsewhere."""
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
        """Return whether the quantised range ends where the activation does, so that storing a value applies it."""
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
