"""Model files small enough to know every number in: one linear layer from pixels to logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import one_layer
from one_layer import Tensor

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
    classes, height, width, channels = kernel.shape
    flat = kernel.reshape(classes, -1)  # (K, HWC)
    dtype, stored = ("INT8", np.int8) if int8 else ("FLOAT32", np.float32)
    one = 1.0 if int8 else None
    reach = 3 * 255 * height * width * channels / 127 if int8 else None  # no logit can saturate
    tensors = [
        Tensor("x", (1, height, width, channels), dtype, one, -128),
        Tensor("w", flat.shape, dtype, one, values=flat.astype(stored)),
        Tensor("y", (1, classes), dtype, reach),
    ]
    return one_layer.write(path, "linear", tensors)


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
