"""Classifiers made without training, and pictures to tell which preprocessing one was made for.

A class is a random texture; its pictures are that texture under noise. The model is the nearest centroid of the
input tensors, which is affine: logit_k = (c_k . x - |c_k|^2 / 2) / temperature. So every number stands in the file, it
is right only for tensors like those it was made of, and it is written by the formats' own writers, as another
tool's file would be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import one_layer
from one_layer import Tensor
from PIL import Image

CLASSES = ("ash", "birch", "cedar", "elm", "fir")
SIDE = 12
PICTURE = (38, 50)
"""(height, width) of a picture: larger than the model's input, and not square."""


def folder(path: Path, channels: int, count: int, seed: int = 0, side: tuple[int, int] = PICTURE) -> list[Path]:
    """`count` pictures in the folders of their classes, classes taking turns; the same textures for every seed."""
    rng = np.random.default_rng(seed)
    textures = np.random.default_rng(7).uniform(0, 1, (len(CLASSES), *side, channels))
    coarse = np.random.default_rng(8).uniform(0, 1, (len(CLASSES), 5, 5, channels))
    made = []
    for number in range(count):
        label = number % len(CLASSES)
        smooth = np.stack([_enlarged(coarse[label, :, :, c], side) for c in range(channels)], 2)
        noise = rng.normal(0, 0.22, (*side, channels)) + rng.normal(0, 0.07, (1, 1, channels))
        pixels = np.clip(255 * (0.35 * textures[label] + 0.5 * smooth + noise + 0.05), 0, 255).astype(np.uint8)
        target = path / CLASSES[label] / f"{number:04}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(target)
        made.append(target)
    return made


def affine(tensors: npt.NDArray[Any], labels: npt.NDArray[np.int64]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """(weights (K, H, W, C), bias (K,)) of the nearest centroid of float tensors (N, H, W, C)."""
    centroids = np.stack([tensors[labels == label].mean(0) for label in range(len(CLASSES))]).astype(np.float64)
    bias = -(centroids.reshape(len(CLASSES), -1) ** 2).sum(1) / 2
    logits = tensors.reshape(len(tensors), -1) @ centroids.reshape(len(CLASSES), -1).T + bias
    ordered = np.sort(logits, 1)
    temperature = np.median(ordered[:, -1] - ordered[:, -2]) / 2
    return centroids / temperature, bias / temperature


def onnx_file(path: Path, weights: npt.NDArray[Any], bias: npt.NDArray[Any]) -> Path:
    """float32 NCHW -> logits."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    classes, height, width, channels = weights.shape
    flat = weights.transpose(3, 1, 2, 0).reshape(-1, classes).astype(np.float32)  # (CHW, K)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("Gemm", ["flat", "w", "b"], ["y"])],
        "centroids",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, height, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, classes])],
        [
            numpy_helper.from_array(np.ascontiguousarray(flat), "w"),
            numpy_helper.from_array(bias.astype(np.float32), "b"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def tflite_file(
    path: Path,
    weights: npt.NDArray[Any],
    bias: npt.NDArray[Any],
    scale: float | None = None,
    zero_point: int = 0,
    largest: float = 0.0,
) -> Path:
    """NHWC -> logits in float32, or in int8 with the input's scale and zero point, logits up to `largest`."""
    classes, height, width, channels = weights.shape
    flat = weights.reshape(classes, -1)  # (K, HWC)
    pictures, logits = (1, height, width, channels), (1, classes)
    if scale is None:
        tensors = [
            Tensor("x", pictures, "FLOAT32"),
            Tensor("w", flat.shape, "FLOAT32", values=flat.astype(np.float32)),
            Tensor("b", bias.shape, "FLOAT32", values=bias.astype(np.float32)),
            Tensor("y", logits, "FLOAT32"),
        ]
    else:
        step = float(np.abs(flat).max()) / 127
        tensors = [
            Tensor("x", pictures, "INT8", scale, zero_point),
            Tensor("w", flat.shape, "INT8", step, values=np.round(flat / step).astype(np.int8)),
            Tensor("b", bias.shape, "INT32", step * scale, values=np.round(bias / (step * scale)).astype(np.int32)),
            Tensor("y", logits, "INT8", largest / 127),
        ]
    return one_layer.write(path, "centroids", tensors)


def _enlarged(values: npt.NDArray[Any], side: tuple[int, int]) -> npt.NDArray[Any]:
    picture = Image.fromarray((255 * values).astype(np.uint8)).resize((side[1], side[0]), Image.Resampling.BICUBIC)
    return np.asarray(picture) / 255
