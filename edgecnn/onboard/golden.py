"""Golden vectors: a few images, and the exact output tensor that a model file gave for each where it was made."""

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
SOUND, SOUND_PLACE = "sound", "sound_place"
"""The samples of one sound, int16 (n,), and which of the images the front end makes of it."""


def read(source: Path | bytes, key: str, artifact: Artifact) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.generic]]:
    """Read the golden vectors of a model file.

    Args:
        source: An .npz file, or its bytes.
        key: The name of the array with the outputs.
        artifact: The model file.

    Returns:
        (images, outputs): uint8 (N, H, W, C), and the output tensors (N, ...).

    Raises:
        Missing: There is no such file.
        Unreadable: The file is damaged, or its images or outputs are not those of this model file.
    """
    stored = arrays.read(source, (IMAGES, key))
    images, outputs = stored[IMAGES], stored[key]
    _require_images(images, artifact)
    wanted = np.dtype(artifact.description.output.dtype)
    per_picture = values_per_picture(artifact.description.output)
    if len(outputs.shape) < 1 or len(outputs) != len(images):
        raise Unreadable(f"it holds outputs of shape {outputs.shape} for {len(images)} pictures")
    if outputs.dtype != wanted or outputs.size != len(images) * per_picture:
        raise Unreadable(
            f"its outputs are {outputs.dtype} {outputs.shape}, "
            f"and {artifact.name} puts out {per_picture} {wanted} a picture"
        )
    return images, outputs


def read_sound(source: Path | bytes, artifact: Artifact) -> tuple[npt.NDArray[np.int16], int] | None:
    """Read the sound that accompanies the golden vectors of a model of sounds.

    Returns:
        (samples at the front end's rate, (n,), the place of its picture among the images); None if there is none.

    Raises:
        Missing: There is no such file.
        Unreadable: The file is damaged.
    """
    stored = arrays.read(source)
    if artifact.sound is None or SOUND not in stored or SOUND_PLACE not in stored:
        return None
    samples, place = stored[SOUND], stored[SOUND_PLACE]
    if samples.dtype != np.int16 or samples.ndim != 1 or place.ndim or not 0 <= int(place) < len(stored[IMAGES]):
        raise Unreadable(f"its sound is {samples.dtype} {samples.shape}")
    return samples, int(place)


def _require_images(images: npt.NDArray[Any], artifact: Artifact) -> None:
    """Raise Unreadable if the model file does not take these images."""
    spec = artifact.description.input
    values = math.prod(spec.shape[1:])
    if images.dtype != np.uint8 or images.ndim < 2 or not len(images):
        raise Unreadable(f"its pictures are {images.dtype} {images.shape}")
    if 0 in spec.shape[1:]:  # a size that the file leaves open
        return
    if images.size != len(images) * values:
        shape = " x ".join(map(str, images.shape[1:]))
        raise Unreadable(f"its pictures are {shape}, and {artifact.name} takes {' x '.join(map(str, spec.shape[1:]))}")
