"""Convert pixels of any type whose white is known to 8 bits, and refuse all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

# These are tags and values of TIFF 6.0.
BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC, PLANAR, SAMPLE_FORMAT = 258, 259, 262, 284, 339
UNCOMPRESSED, WHITE_IS_ZERO, SEPARATE_PLANES = 1, 0, 2
SIGNED, FLOAT = 2, 3
COMPLEX = (5, 6)
STORED_BITS = 16
"""The bits of a pixel in Pillow's mode I;16, and in mode I of a PNG or PGM picture; white has all of them set."""
GREYS = {"L;2": 85, "L;4": 17}
"""Pillow's raw modes of a PNG with few greys, and the step between two of these greys."""
BAND_ROWS = 256


class UnfitPixels(ValueError):
    """A picture's pixels cannot be brought to 8 bits."""

    hint = "save it as 8 or 16 bits a channel"


def refuse(image: Any) -> None:
    """Raise UnfitPixels if neither the file nor its format says which value of a picture's pixels is white.

    The picture is opened but not loaded, for a float picture may be large.
    """
    if image.format == "TIFF":
        _refuse_tiff(image.tag_v2)
    elif image.mode == "F":
        raise UnfitPixels("32-bit float pixels have no stated white")


def refuse_unidentified_tiff(stream: BinaryIO) -> None:
    """Raise UnfitPixels for a TIFF whose pixels are of a type that Pillow does not know; pass over other files."""
    from PIL import TiffImagePlugin

    head = stream.read(8)
    if not head.startswith(tuple(TiffImagePlugin.PREFIXES)):
        return
    if b"\x2b" in head[2:4]:  # BigTIFF
        head += stream.read(8)
    tags = TiffImagePlugin.ImageFileDirectory_v2(head)
    stream.seek(tags.next)
    tags.load(stream)
    _refuse_tiff(tags)
    bits, photometric = _tuple(tags, BITS_PER_SAMPLE), tags.get(PHOTOMETRIC)
    raise UnfitPixels(
        f"Pillow does not know a TIFF of {' + '.join(map(str, bits))} bits a pixel, photometric interpretation"
        f" {photometric}, in this byte order"
    )


def scale_transparency(image: Any) -> None:
    """Scale the transparent grey of an opened PNG of 2 or 4 bits as its pixels are, which Pillow forgets."""
    clear, raw = image.info.get("transparency"), image.tile[0][3] if image.tile else None
    if image.format == "PNG" and isinstance(clear, int) and raw in GREYS:
        image.info["transparency"] = clear * GREYS[raw]


def eight_bits(image: Any) -> Any:
    """Bring a loaded picture to 8 bits a channel, the upper ones of deeper pixels, and lay transparency on black."""
    if image.mode.startswith("I"):
        return _reduce_deep_grey(image)
    if image.mode == "LAB":
        return image.convert("RGB")  # Pillow knows no other way out
    if image.mode == "La":
        image = image.convert("LA")
    return _in_bands(image, "RGB", _on_black) if image.has_transparency_data else image


def _on_black(band: Any) -> Any:
    from PIL import Image

    band = band.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", band.size, (0, 0, 0, 255)), band)


def _in_bands(image: Any, mode: str, work: Callable[[Any], Any]) -> Any:
    """Apply `work` to a few rows at a time, for there is no memory for copies of a large picture."""
    from PIL import Image

    made = Image.new(mode, image.size)
    for top in range(0, image.height, BAND_ROWS):
        box = (0, top, image.width, min(top + BAND_ROWS, image.height))
        made.paste(work(image.crop(box)).convert(mode), box)
    return made


def _reduce_deep_grey(image: Any) -> Any:
    """Scale grey to 8 bits by the file's own white, for Pillow's conversion would clip at 255."""
    from PIL import Image

    tags = image.tag_v2 if image.format == "TIFF" else {}
    bits, clear = _tuple(tags, BITS_PER_SAMPLE, STORED_BITS)[0], image.info.get("transparency")

    def upper_bits(band: Any) -> Any:
        values = np.asarray(band).astype(np.uint32)
        pixels = (values >> (bits - 8)).astype(np.uint8)
        if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:  # which Pillow minds for 8 bits only
            pixels = 255 - pixels
        if isinstance(clear, int):
            pixels[values == clear] = 0
        return Image.fromarray(pixels)

    return _in_bands(image, "L", upper_bits)


def _refuse_tiff(tags: Any) -> None:
    """Raise UnfitPixels if the tags of a TIFF say that its pixels are float, signed, complex or too deep."""
    bits, formats = _tuple(tags, BITS_PER_SAMPLE), _tuple(tags, SAMPLE_FORMAT)
    if FLOAT in formats:
        raise UnfitPixels(f"{max(bits)}-bit float pixels have no stated white")
    if SIGNED in formats:
        raise UnfitPixels(f"{max(bits)}-bit signed pixels have no stated white")
    if set(COMPLEX) & set(formats):
        raise UnfitPixels("complex pixels have no stated white")
    if max(bits) > STORED_BITS:
        raise UnfitPixels(f"{max(bits)}-bit pixels are more than the 16 bits that are read")
    if max(bits) > 8 and tags.get(PLANAR) == SEPARATE_PLANES and tags.get(COMPRESSION, 1) == UNCOMPRESSED:
        raise UnfitPixels(f"Pillow mixes up {max(bits)}-bit channels that are stored as separate planes")


def _tuple(tags: Any, tag: int, default: int = 1) -> tuple[int, ...]:
    """Return a tag's values, of which there may be one for each channel."""
    value = tags.get(tag, default)
    return value if isinstance(value, tuple) else (value,)
