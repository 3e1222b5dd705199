"""From an encoded picture to the pixels a net was trained on: the same code in training and on the device."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError, MissingPackage

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})

RESIZE_RULE = "shorter side to the target by Pillow's BOX-prefiltered BILINEAR, then centre crop"


def decode(source: Path | bytes, *, height: int, width: int, channels: int) -> npt.NDArray[np.uint8]:
    """One picture as uint8 (height, width, channels), grey for 1 channel and RGB for 3.

    EXIF orientation is applied; palettes and CMYK become RGB; transparency is laid on black.
    Resizing follows RESIZE_RULE. Raises DataError that names the picture if it cannot be read.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingPackage("pillow", "train", "Reading pictures") from error
    label = str(source) if isinstance(source, Path) else f"a picture of {len(source)} bytes"
    try:
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as opened:
            opened.load()
            image: Any = ImageOps.exif_transpose(opened)
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                image = image.convert("RGBA")
                ground = Image.new("RGBA", image.size, (0, 0, 0, 255))
                image = Image.alpha_composite(ground, image)
            if image.mode.startswith("I;16") or image.mode == "I":
                # 16 bits a channel: keep the upper 8; Pillow's own conversion would clip.
                image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != (width, height):
                image = ImageOps.fit(image, (width, height), method=Image.Resampling.BILINEAR)
            pixels = np.asarray(image, dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"Cannot read {label}: {error}.", "remove or replace it") from error
    return pixels.reshape(height, width, channels)
