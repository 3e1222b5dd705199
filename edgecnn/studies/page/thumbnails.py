"""Pictures as data URLs, as few bytes as they need: pixels and drawings are kept exactly, photographs as JPEG."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

SIDE = 96
"""Longest side of a thumbnail in pixels; a smaller picture keeps its size, and the browser enlarges it."""
LARGEST_PNG_SIDE = 32
"""Up to this side a picture is kept to the pixel."""
QUALITY = 80


def address(image: npt.NDArray[np.uint8], side: int = SIDE) -> str:
    """Return a picture, uint8 (H, W, C) with C of 1 or 3, as a data URL."""
    from PIL import Image

    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    if max(picture.size) > LARGEST_PNG_SIDE:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        return _encoded(picture, "JPEG", quality=QUALITY, optimize=True)
    return _encoded(picture, "PNG", optimize=True)


def exact(image: npt.NDArray[np.uint8]) -> str:
    """Return a picture, uint8 (H, W, C) with C of 1 or 3, as a PNG of few colours, pixel by pixel."""
    from PIL import Image

    return _encoded(Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image), "PNG", optimize=True)


def lossless(png: bytes) -> str:
    """Return a PNG as lossless WebP: a drawn figure pixel by pixel, in about a third of the bytes."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        return _encoded(picture, "WEBP", lossless=True)


def _encoded(picture: Image.Image, form: str, **options: object) -> str:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
