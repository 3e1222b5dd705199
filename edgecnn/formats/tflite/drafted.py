"""TFLite files drawn from layers alone, with weights that say nothing: what a runtime does with one is what it costs.

No converter is involved, so a file takes milliseconds. Its operators are those of the exported file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.formats.tflite import flatbuffer, surgery

if TYPE_CHECKING:
    from edgecnn.nets.sketch import FileLayer

SCALE, WEIGHT_SCALE = 0.05, 0.01
"""Real values of a step of an activation and of a weight, which no kernel's cost depends on."""
VERSIONS = {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 6, "FULLY_CONNECTED": 4, "RESHAPE": 1}
"""Versions of the operators with int8 weights by channel; 2 is the one of all others."""
OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "PAD": "PadOptions",
    "RESHAPE": "ReshapeOptions",
}
"""The table of options of each operator, by the schema's name."""
NAMES = {
    "dense": "FULLY_CONNECTED",
    "add": "ADD",
    "max pool": "MAX_POOL_2D",
    "average pool": "AVERAGE_POOL_2D",
    "mean": "MEAN",
    "pad": "PAD",
    "flatten": "RESHAPE",
}


def write(
    layers: Sequence[FileLayer],
    picture: tuple[int, int, int],
    precision: Literal["int8", "fp32"],
    name: str = "draft",
) -> bytes:
    """Return a TFLite file with these layers.

    Args:
        layers: In the order they run; the last one's output is the file's.
        picture: (H, W, C) of the input.
        precision: Of everything in the file.
        name: What the file is of, for its description.
    """
    draft = _Draft(precision == "int8")
    source = draft.activation((1, *picture))
    places = {-1: source if precision == "int8" else draft.shifted(source, picture, layers[0].kind)}
    for place, layer in enumerate(layers):
        places[place] = draft.layer(layer, [places[source] for source in layer.inputs])
    return draft.dump(source, places[len(layers) - 1], name)


class _Draft:
    """A model that grows by a layer at a time."""

    def __init__(self, is_int8: bool) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema: Any = schema
        self._is_int8 = is_int8
        self._random = np.random.default_rng(0)
        self._model = schema.ModelT()
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._model.version, self._model.subgraphs = 3, [self._graph]
        self._model.buffers, self._model.operatorCodes = [schema.BufferT()], []

    def activation(self, shape: Sequence[int]) -> int:
        return self._tensor(shape, self._kind(), 0, [SCALE], 0)

    def shifted(self, source: int, picture: tuple[int, int, int], reader: str) -> int:
        """Normalise raw pixels, as a float file does; returns the place of the result.

        The scale is part of the weights of a convolution that reads it, and an operator before anything else.
        """
        from edgecnn.nets.sketch import FileLayer

        layer = FileLayer(kind="add", inputs=(), shape=picture)
        for name in ("SUB",) if reader == "conv" else ("SUB", "MUL"):
            output = self.activation((1, *picture))
            self._operator(name, layer, [source, self._constant(np.full(1, 0.5, np.float32))], output)
            source = output
        return source

    def layer(self, layer: FileLayer, inputs: list[int]) -> int:
        """Add a layer; returns the place of its output."""
        output = self.activation((1, *layer.shape))
        name = NAMES.get(layer.kind, "CONV_2D")
        if layer.kind in ("conv", "depthwise", "dense"):
            if layer.kind == "depthwise" or (layer.kind == "conv" and layer.channels_in == 1):
                name = "DEPTHWISE_CONV_2D"  # the converter writes convolutions with one input channel like this
            inputs = [*inputs, *self._weights(layer, name)]
        elif layer.kind == "pad":
            grown = [0, layer.shape[0], layer.shape[1], 0]
            before = self._graph.tensors[inputs[0]].shape
            sides = [[(new - old) // 2] * 2 if new else [0, 0] for new, old in zip(grown, before, strict=True)]
            inputs = [*inputs, self._constant(np.array(sides, np.int32))]
        elif layer.kind == "mean":
            inputs = [*inputs, self._constant(np.array([1, 2], np.int32))]
        elif layer.kind == "flatten":
            inputs = [*inputs, self._constant(np.array([1, *layer.shape], np.int32))]
        self._operator(name, layer, inputs, output)
        return output

    def dump(self, source: int, target: int, name: str) -> bytes:
        self._graph.inputs, self._graph.outputs = np.array([source], np.int32), np.array([target], np.int32)
        surgery.tidy(self._model, name)
        return flatbuffer.dump(self._model)

    def _weights(self, layer: FileLayer, name: str) -> list[int]:
        """Add weights and bias; returns their places."""
        units = layer.shape[-1]
        if name == "DEPTHWISE_CONV_2D":
            shape: tuple[int, ...] = (1, *layer.kernel, units)
        elif layer.kind == "dense":
            shape = (units, layer.channels_in)
        else:
            shape = (units, *layer.kernel, layer.channels_in)
        if not self._is_int8:
            weight = self._random.standard_normal(shape, np.float32) / math.sqrt(math.prod(shape) / units)
            return [self._constant(weight), self._constant(np.zeros(units, np.float32))]
        axis = 3 if name == "DEPTHWISE_CONV_2D" else 0
        weight = self._random.integers(-127, 127, shape, np.int8, endpoint=True)
        return [
            self._constant(weight, [WEIGHT_SCALE] * units, axis),
            self._constant(np.zeros(units, np.int32), [WEIGHT_SCALE * SCALE] * units, 0),
        ]

    def _constant(self, values: npt.NDArray[Any], scales: list[float] | None = None, axis: int = 0) -> int:
        buffer = self._schema.BufferT()
        buffer.data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        self._model.buffers.append(buffer)
        kind = {"int8": "INT8", "int32": "INT32", "float32": "FLOAT32"}[values.dtype.name]
        return self._tensor(values.shape, kind, len(self._model.buffers) - 1, scales, axis)

    def _tensor(self, shape: Sequence[int], kind: str, buffer: int, scales: list[float] | None, axis: int) -> int:
        tensor = self._schema.TensorT()
        tensor.name = b""
        tensor.shape, tensor.type, tensor.buffer = np.array(shape, np.int32), self._type(kind), buffer
        if self._is_int8 and scales:
            numbers = self._schema.QuantizationParametersT()
            numbers.scale = np.array(scales, np.float32)
            numbers.zeroPoint = np.zeros(len(scales), np.int64)
            numbers.quantizedDimension = axis
            tensor.quantization = numbers
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _operator(self, name: str, layer: FileLayer, inputs: list[int], output: int) -> None:
        schema = self._schema
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(name)
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        kind = OPTIONS[name]
        options = getattr(schema, f"{kind}T")()
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        operator.builtinOptions = options
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D"):
            options.padding = schema.Padding.SAME if layer.is_padded else schema.Padding.VALID
            options.strideH = options.strideW = layer.stride
        if layer.is_rectified:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            options.dilationHFactor = options.dilationWFactor = 1
        if name == "DEPTHWISE_CONV_2D":
            options.depthMultiplier = layer.shape[-1] // layer.channels_in
        if kind == "Pool2DOptions":
            options.filterHeight, options.filterWidth = layer.kernel
        if name == "RESHAPE":
            options.newShape = np.array([1, *layer.shape], np.int32)
        self._graph.operators.append(operator)

    def _code(self, name: str) -> int:
        opcode = getattr(self._schema.BuiltinOperator, name)
        for place, code in enumerate(self._model.operatorCodes):
            if code.builtinCode == opcode:
                return place
        code = self._schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = opcode, min(opcode, 127)
        code.version = VERSIONS.get(name, 2) if self._is_int8 else 1
        self._model.operatorCodes.append(code)
        return len(self._model.operatorCodes) - 1

    def _kind(self) -> str:
        return "INT8" if self._is_int8 else "FLOAT32"

    def _type(self, name: str) -> int:
        return int(getattr(self._schema.TensorType, name))
