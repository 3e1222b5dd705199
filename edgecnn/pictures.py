"""From an encoded picture to the pixels a net was trained on: the same code in training and on the device."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError, MissingPackage

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
"""What is read, in Pillow's words: the formats of SUFFIXES. It knows more, some of which start other programs."""

RESIZE_RULE = (
    "the largest centred crop of the target's aspect ratio, in whole pixels rounded down, is resized by Pillow's"
    " BILINEAR: a triangle filter that reaches one target pixel to each side, or one source pixel when enlarging"
)


def decode(
    source: Path | bytes, *, height: int, width: int, channels: int, max_pixels: int | None = None
) -> npt.NDArray[np.uint8]:
    """One picture as uint8 (height, width, channels), grey for 1 channel and RGB for 3.

    EXIF orientation is applied; palettes and CMYK become RGB; transparency is laid on black; of 16
    bits a channel the upper 8 are kept; of an animation the first frame. Resizing follows RESIZE_RULE.
    Grey is ITU-R BT.601 luma. Raises DataError that names the picture if it cannot be read whole, or
    if it declares more than `max_pixels`, before they are unpacked.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingPackage("pillow", None, "Reading pictures") from error
    if channels not in (1, 3):
        raise DataError(f"A picture has 1 or 3 channels, not {channels}.")
    label = str(source) if isinstance(source, Path) else f"a picture of {len(source)} bytes"
    try:
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source), formats=FORMATS) as opened:
            if max_pixels is not None and opened.width * opened.height > max_pixels:
                raise ValueError(f"it declares {opened.width} x {opened.height} pixels, {max_pixels:,} are allowed")
            opened.load()
            ImageOps.exif_transpose(opened, in_place=True)
            image, mode = _flat(opened), "L" if channels == 1 else "RGB"
            if image.mode != mode:  # a copy of a large photograph is a hundred megabytes
                image = image.convert(mode)
        if image.size != (width, height):
            box = _centre(image.size, width, height)
            if box != (0, 0, *image.size):
                image = image.crop(box)
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.array(image, dtype=np.uint8)
    except MemoryError:
        raise
    except Exception as error:
        # Pillow's readers meet hostile bytes with whatever the parser tripped over: OSError, ValueError,
        # SyntaxError, struct.error, IndexError, EOFError … All of them mean the same here.
        raise DataError(f"Cannot read {label}: {_reason(error)}.", "remove or replace it") from error
    return pixels.reshape(height, width, channels)


def _flat(image: Any) -> Any:
    """The picture with 8 bits a channel and without transparency."""
    from PIL import Image

    if image.mode.startswith("I"):
        # Pillow's own conversion would clip at 255 instead of scaling.
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image


def _centre(size: tuple[int, int], width: int, height: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the largest centred box of width : height in a picture of size (width, height)."""
    from_width, from_height = size
    crop_width = max(1, min(from_width, from_height * width // height))
    crop_height = max(1, min(from_height, from_width * height // width))
    left, top = (from_width - crop_width) // 2, (from_height - crop_height) // 2
    return left, top, left + crop_width, top + crop_height


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    name = type(error).__name__
    if name == "UnidentifiedImageError":
        return "no picture format that Pillow knows"
    return str(error).rstrip(".") or name
