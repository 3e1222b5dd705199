"""Small pictures as data URLs: PNG where pixels matter or compress, JPEG for photographs."""

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


def fewer_colours(png: bytes, colours: int = 64) -> str:
    """Return a drawn figure as a PNG with a palette, which is a third as large and looks the same."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        paper = Image.new("RGB", picture.size, "white")
        paper.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
    return _encoded(paper.quantize(colours, dither=Image.Dither.NONE), "PNG", optimize=True)


def _encoded(picture: Image.Image, form: str, **options: object) -> str:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
