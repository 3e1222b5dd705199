"""Golden vectors: a few pictures, and the exact output tensor that a model file gave for each where it was made."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.common import arrays
from edgecnn.common.documents import Unreadable
from edgecnn.records.artifact import Artifact, values_per_picture

FILE = "golden.npz"
IMAGES = "images"


def read(source: Path | bytes, key: str, one: Artifact) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.generic]]:
    """(pictures, outputs): uint8 (N, H, W, C), and what stands under `key`, (N, ...), for that file.

    Raises Unreadable, Missing for no file; also for pictures that the file does not take, and outputs that are not its.
    """
    held = arrays.read(source, (IMAGES, key))
    images, outputs = held[IMAGES], held[key]
    _require_pictures(images, one)
    wanted = np.dtype(one.description.output.dtype)
    per_picture = values_per_picture(one.description.output)
    if len(outputs.shape) < 1 or len(outputs) != len(images):
        raise Unreadable(f"it holds outputs of shape {outputs.shape} for {len(images)} pictures")
    if outputs.dtype != wanted or outputs.size != len(images) * per_picture:
        raise Unreadable(
            f"its outputs are {outputs.dtype} {outputs.shape}, and {one.name} puts out {per_picture} {wanted} a picture"
        )
    return images, outputs


def _require_pictures(images: npt.NDArray[Any], one: Artifact) -> None:
    spec = one.description.input
    values = math.prod(spec.shape[1:])
    if images.dtype != np.uint8 or images.ndim < 2 or not len(images):
        raise Unreadable(f"its pictures are {images.dtype} {images.shape}")
    if 0 in spec.shape[1:]:  # a size that the file leaves open
        return
    if images.size != len(images) * values:
        shape = " x ".join(map(str, images.shape[1:]))
        raise Unreadable(f"its pictures are {shape}, and {one.name} takes {' x '.join(map(str, spec.shape[1:]))}")
