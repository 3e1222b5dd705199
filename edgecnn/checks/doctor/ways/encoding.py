"""Ways to encode pixels as numbers of the input tensor: uint8 (N, H, W, C) -> the tensor in its own type."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.checks.doctor.images import Pixels
from edgecnn.records.artifact import TensorSpec

Tensor = npt.NDArray[Any]

IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))
"""Mean and standard deviation of ImageNet's training images / 255, RGB (torchvision's pre-trained models)."""
IMAGENET_PIXELS = np.array([123.68, 116.779, 103.939])
"""Mean of ImageNet's training images, RGB, as Caffe's models subtract it."""
MNIST = (0.1307, 0.3081)
"""Mean and standard deviation of MNIST's training images / 255."""


def raw(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return stored(pixels.astype(np.float64), spec)


def by_255(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return stored(pixels / 255, spec)


def by_255_cast(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return cast(pixels / 255, spec)


def by_255_twice(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return stored(pixels / 255**2, spec)


def minus_one_to_one(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return stored(pixels / 127.5 - 1, spec)


def minus_128(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return stored(pixels - 128.0, spec)


def imagenet(pixels: Pixels, spec: TensorSpec) -> Tensor:
    mean, std = IMAGENET
    if pixels.shape[3] == 1:
        mean, std = mean.mean(keepdims=True), std.mean(keepdims=True)
    return stored((pixels / 255 - mean) / std, spec)


def caffe(pixels: Pixels, spec: TensorSpec) -> Tensor:
    mean = IMAGENET_PIXELS if pixels.shape[3] == 3 else IMAGENET_PIXELS.mean()
    return stored(pixels - mean, spec)


def mnist(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return stored((pixels / 255 - MNIST[0]) / MNIST[1], spec)


def each_picture(pixels: Pixels, spec: TensorSpec) -> Tensor:
    """Scale each image to mean 0 and deviation 1, as tf.image.per_image_standardization does."""
    flat = pixels.reshape(len(pixels), -1).astype(np.float64)
    least = 1 / np.sqrt(flat.shape[1])
    scaled = (flat - flat.mean(1, keepdims=True)) / np.maximum(flat.std(1, keepdims=True), least)
    return stored(scaled.reshape(pixels.shape), spec)


def bytes_as_they_are(pixels: Pixels, spec: TensorSpec) -> Tensor:
    """Store bytes as they are; int8 takes pixel - 128, as in a quantised input."""
    if spec.dtype == "int8":
        return (pixels ^ np.uint8(0x80)).view(np.int8)
    return pixels.astype(spec.dtype)


def bytes_off_by_128(pixels: Pixels, spec: TensorSpec) -> Tensor:
    """Store int8 without the - 128, or uint8 with it: the same bits, taken for the other type."""
    if spec.dtype == "int8":
        return pixels.view(np.int8)
    return pixels ^ np.uint8(0x80) if spec.dtype == "uint8" else pixels.astype(spec.dtype)


def bytes_clipped(pixels: Pixels, spec: TensorSpec) -> Tensor:
    """Clip pixels at 127 for an int8 tensor."""
    return cast(np.minimum(pixels, 127), spec) if spec.dtype == "int8" else pixels.astype(spec.dtype)


def stored(values: npt.NDArray[np.floating[Any]], spec: TensorSpec) -> Tensor:
    """Return real numbers as the tensor stores them, by its scale and zero point if it has them."""
    dtype = np.dtype(spec.dtype)
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype)
    if spec.scale is not None:
        values = np.round(values / spec.scale) + (spec.zero_point or 0)
    span = np.iinfo(dtype)
    return np.clip(np.round(values), span.min, span.max).astype(dtype)


def cast(values: npt.NDArray[Any], spec: TensorSpec) -> Tensor:
    """Return real numbers cast to the type of the tensor, without its scale."""
    return values.astype(np.int64).astype(spec.dtype) if spec.dtype != "float32" else values.astype(np.float32)
