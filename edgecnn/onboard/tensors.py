"""Convert pictures to the bytes of an input tensor, and an output tensor to scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import ModelFileError
from edgecnn.records.artifact import Preprocessing, TensorSpec, channel_values, class_count

FLOATS = ("float32", "float16", "float64")


INTEGERS = ("int16", "uint16", "int32", "uint32", "int64", "uint64")


def encode(images: npt.NDArray[np.uint8], spec: TensorSpec, preprocessing: Preprocessing) -> npt.NDArray[Any]:
    """Convert uint8 pictures (N, H, W, C) to what the input tensor takes, in its dtype and layout.

    8-bit input takes the bytes themselves: its scale and zero point are the normalisation. Float input takes (pixel -
    mean) / std, input quantised to 16 bits takes that in steps of its scale, and other integers take the pixels.
    """
    if preprocessing.colour_order == "BGR":
        images = images[..., ::-1]
    if spec.dtype == "int8":
        values: npt.NDArray[Any] = (images ^ np.uint8(0x80)).view(np.int8)  # x - 128, without widening
    elif spec.dtype == "uint8":
        values = images
    elif spec.dtype in FLOATS:
        values = _normalised(images, preprocessing).astype(spec.dtype, copy=False)
    elif spec.dtype in ("int16", "uint16") and spec.scale:
        span = np.iinfo(spec.dtype)
        steps = np.rint(_normalised(images, preprocessing) / np.float32(spec.scale)) + np.float32(spec.zero_point or 0)
        values = steps.clip(span.min, span.max).astype(spec.dtype)
    elif spec.dtype in INTEGERS:
        values = images.astype(spec.dtype)
    else:
        raise ModelFileError(
            f"Input tensor {spec.name!r} has type {spec.dtype}, which takes no pixels.",
            f"these do: {', '.join(('int8', 'uint8', *FLOATS, *INTEGERS))}",
        )
    if spec.layout == "NCHW":
        values = values.transpose(0, 3, 1, 2)
    elif len(spec.shape) == 2:
        values = values.reshape(len(values), -1)
    return np.ascontiguousarray(values)


def decode(outputs: npt.NDArray[Any], spec: TensorSpec) -> npt.NDArray[np.float32]:
    """Convert an output tensor to a float score for each class (N, K), the largest being the answer.

    An output that holds the class's number becomes 1 for that class and 0 for the others.
    """
    values = outputs.reshape(len(outputs), -1)
    if spec.reading == "number":
        numbers = np.arange(class_count(spec))
        return np.asarray(values[:, :1] == numbers, dtype=np.float32)
    scores = values.astype(np.float32)
    if spec.scale is not None and np.issubdtype(outputs.dtype, np.integer):
        scores = (scores - np.float32(spec.zero_point or 0)) * np.float32(spec.scale)
    return np.concatenate([1 - scores, scores], axis=1) if spec.reading == "probability" else scores


def _normalised(images: npt.NDArray[np.uint8], preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    """Return (pixel - mean) / std as float32 (N, H, W, C)."""
    return (images.astype(np.float32) - channel_values(preprocessing.mean)) / channel_values(preprocessing.std)
