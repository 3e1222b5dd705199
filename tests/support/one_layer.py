"""A TFLite file that is one fully connected layer, every number in it given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Tensor:
    """One of the layer's; `values` if the file holds them."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """As TFLite spells it: INT8, INT32, FLOAT32."""
    scale: float | None = None
    zero_point: int = 0
    values: npt.NDArray[Any] | None = None


def write(path: Path, name: str, tensors: Sequence[Tensor]) -> Path:
    """The layer from the first of the tensors, by the weights and perhaps the bias that follow, to the last."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description = 3, name
    model.buffers = [schema.BufferT()]
    graph.name, graph.tensors = "main", []
    for tensor in tensors:
        made = schema.TensorT()
        made.name, made.shape, made.buffer = tensor.name, list(tensor.shape), 0
        made.type = getattr(schema.TensorType, tensor.dtype)
        if tensor.scale is not None:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [tensor.scale], [tensor.zero_point]
        if tensor.values is not None:
            made.buffer = len(model.buffers)
            model.buffers.append(schema.BufferT())
            model.buffers[-1].data = np.frombuffer(tensor.values.tobytes(), np.uint8)
        graph.tensors.append(made)
    last = len(tensors) - 1
    graph.inputs, graph.outputs = [0], [last]
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.outputs = 0, [last]
    operator.inputs = [*range(last), *([-1] if last == 2 else [])]  # -1 stands for a bias that there is none of
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    graph.operators = [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 4 if tensors[0].dtype == "INT8" else 1
    model.operatorCodes, model.subgraphs = [code], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path
