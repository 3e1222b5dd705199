"""Model files small enough to know every number in: one linear layer from pixels to logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float32]


def weights(height: int, width: int, channels: int, classes: int, seed: int = 0) -> Weights:
    """Whole numbers from -3 to 3, (K, H, W, C): every product and sum is exact in float32."""
    drawn = np.random.default_rng(seed).integers(-3, 4, (classes, height, width, channels))
    return drawn.astype(np.float32)


def linear_onnx(path: Path, kernel: Weights) -> Path:
    """float32 NCHW pixels -> logits."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    classes, height, width, channels = kernel.shape
    flat = kernel.transpose(3, 1, 2, 0).reshape(-1, classes)  # (CHW, K)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, height, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, classes])],
        [numpy_helper.from_array(np.ascontiguousarray(flat), "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def linear_tflite(path: Path, kernel: Weights, int8: bool = False) -> Path:
    """float32 NHWC pixels, or the int8 pixels (pixel - 128), -> logits."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    classes, height, width, channels = kernel.shape
    flat = kernel.reshape(classes, -1)  # (K, HWC)
    model = schema.ModelT()
    model.version, model.description = 3, "linear"
    model.buffers = [schema.BufferT(), schema.BufferT()]
    model.buffers[1].data = np.frombuffer(flat.astype(np.int8 if int8 else np.float32).tobytes(), np.uint8)

    def tensor(name: str, shape: tuple[int, ...], buffer: int, scale: float, zero_point: int) -> Any:
        one = schema.TensorT()
        one.name, one.shape, one.buffer = name, list(shape), buffer
        one.type = schema.TensorType.INT8 if int8 else schema.TensorType.FLOAT32
        if int8:
            one.quantization = schema.QuantizationParametersT()
            one.quantization.scale, one.quantization.zeroPoint = [scale], [zero_point]
        return one

    reach = 3 * 255 * height * width * channels / 127  # no logit can saturate
    graph = schema.SubGraphT()
    graph.name = "main"
    graph.tensors = [
        tensor("x", (1, height, width, channels), 0, 1.0, -128),
        tensor("w", flat.shape, 1, 1.0, 0),
        tensor("y", (1, classes), 0, reach, 0),
    ]
    graph.inputs, graph.outputs = [0], [2]
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1, -1], [2]
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    graph.operators = [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 4 if int8 else 1
    model.operatorCodes, model.subgraphs = [code], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def linear_c(path: Path, kernel: Weights, int8: bool = False) -> Path:
    """The TFLite file as a C array in a header."""
    from edgecnn import c_array
    from edgecnn.runtimes import tflite_micro

    data = linear_tflite(path, kernel, int8).read_bytes()
    labels = tuple(f"class {label}" for label in range(len(kernel)))
    array = c_array.CArray(name="linear", data=data, arena_bytes=tflite_micro.arena_bytes(data), labels=labels)
    path.write_text(c_array.write(array, ["One linear layer."]))
    return path


def logits(kernel: Weights, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What the float files put out for uint8 pictures (N, H, W, C): (N, K), exactly."""
    return images.reshape(len(images), -1).astype(np.float32) @ kernel.reshape(len(kernel), -1).T
