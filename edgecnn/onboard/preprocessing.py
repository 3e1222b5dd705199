"""From an encoded picture to the pixels a net was trained on: the same code in training and on the device."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.common import files
from edgecnn.errors import DataError, MissingPackage
from edgecnn.onboard import picture_formats, picture_sizes, pixel_types

FORMATS: Mapping[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
}
"""What is read, in Pillow's words, and its suffixes. Pillow knows more, some of which start other programs."""

PIXEL_RULE = (
    f"a JPEG of more than {picture_sizes.MAX_PIXELS:,} pixels is unpacked at a half of its width and height, or at a"
    " quarter; of 16 or 12 bits a channel the upper 8 are kept; float, signed and deeper pixels are refused;"
    " transparency is laid on black"
)
"""Part of what decides the pixels that a cache keeps: another rule is another text."""


@functools.cache
def formats() -> tuple[str, ...]:
    """The FORMATS that this installation reads: AVIF if Pillow was built with it, HEIF with its plug-in."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # picture_sizes says how many
    here = [name for name in FORMATS if name not in ("AVIF", "HEIF")]
    try:
        from PIL import AvifImagePlugin
    except ImportError:  # before Pillow 11.3
        pass
    else:
        here += ["AVIF"] if AvifImagePlugin.SUPPORTED else []
    if importlib.util.find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
        here.append("HEIF")
    return tuple(here)


def suffixes() -> tuple[str, ...]:
    """The suffixes of `formats()`, sorted."""
    return tuple(sorted(suffix for name in formats() for suffix in FORMATS[name]))


def decode(
    source: Path | bytes, *, height: int, width: int, channels: int, max_pixels: int | None = None
) -> npt.NDArray[np.uint8]:
    """One picture as uint8 (height, width, channels), grey for 1 channel and RGB for 3.

    EXIF orientation is applied; palettes and CMYK become RGB; transparency is laid on black; of 16
    bits a channel the upper 8 are kept; of an animation the first frame. Resizing follows `artifact.RESIZE_RULE`.
    Grey is ITU-R BT.601 luma. Raises DataError that names the picture if it cannot be read whole, if
    its pixels have no stated white (float, signed), or if it declares more pixels than
    picture_sizes allows, or than `max_pixels`, before they are unpacked.
    """
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise MissingPackage("pillow", None, "Reading pictures") from error
    if channels not in (1, 3):
        raise DataError(f"A picture has 1 or 3 channels, not {channels}.")
    label = str(source) if isinstance(source, Path) else f"a picture of {len(source)} bytes"
    try:
        return fit(upright(source, max_pixels), height=height, width=width, channels=channels)
    except MemoryError:
        raise
    except Exception as error:
        # Pillow's readers meet hostile bytes with whatever the parser tripped over: OSError, ValueError,
        # SyntaxError, struct.error, IndexError, EOFError … All of them mean the same here.
        reason, hint = _explained(error, source)
        raise DataError(f"Cannot read {label}: {reason}.", hint) from error


def fit(image: Any, *, height: int, width: int, channels: int) -> npt.NDArray[np.uint8]:
    """The centre of an upright Pillow image of 8 bits a channel, as uint8 (height, width, channels)."""
    from PIL import Image

    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:  # a copy of a large photograph is a hundred megabytes
        image = image.convert(mode)
    if image.size != (width, height):
        box = _centre(image.size, width, height)
        if box != (0, 0, *image.size):
            image = image.crop(box)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.array(image, dtype=np.uint8).reshape(height, width, channels)


def upright(source: Path | bytes, max_pixels: int | None = None) -> Any:
    """A Pillow image as large as it is, of 8 bits a channel, EXIF orientation applied; raises whatever Pillow does.

    A JPEG of more than picture_sizes.MAX_PIXELS is a half or a quarter as wide and high.
    """
    from PIL import ImageOps

    with opened(source, max_pixels) as image:
        pixel_types.refuse(image)
        pixel_types.scale_transparency(image)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return pixel_types.eight_bits(image)


@contextlib.contextmanager
def opened(source: Path | bytes, max_pixels: int | None = None) -> Iterator[Any]:
    """A Pillow image that is not unpacked yet, and not too large for that; raises whatever Pillow does.

    A path leads to a regular file: a pipe could keep us waiting for ever.
    """
    from PIL import Image

    with (
        files.open_regular(source) if isinstance(source, Path) else io.BytesIO(source) as stream,
        Image.open(stream, formats=formats()) as image,
    ):
        picture_sizes.bound(image, stream, max_pixels)
        yield image


def is_picture(path: Path) -> bool:
    """Whether a file begins as a picture of one of `formats()`, whatever its name."""
    try:
        with opened(path):
            return True
    except picture_sizes.TooLarge:
        return True  # and decode refuses it by name
    except Exception:
        return False


def _centre(size: tuple[int, int], width: int, height: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the largest centred box of width : height in a picture of size (width, height)."""
    from_width, from_height = size
    crop_width = max(1, min(from_width, from_height * width // height))
    crop_height = max(1, min(from_height, from_width * height // width))
    left, top = (from_width - crop_width) // 2, (from_height - crop_height) // 2
    return left, top, left + crop_width, top + crop_height


def _explained(error: Exception, source: Path | bytes) -> tuple[str, str]:
    """(reason, hint) of a picture that could not be read."""
    name, hint = type(error).__name__, "remove or replace it"
    if isinstance(error, pixel_types.UnfitPixels | picture_sizes.TooLarge):
        return str(error), error.hint
    if isinstance(error, OSError) and error.strerror:
        return error.strerror, hint
    if name != "UnidentifiedImageError":
        return str(error).rstrip(".") or name, hint
    with io.BytesIO(source) if isinstance(source, bytes) else files.open_regular(source) as stream:
        foreign = picture_formats.of_content(stream.read(picture_formats.HEAD_BYTES))
        if foreign:
            return f"it holds {foreign.name}", foreign.mend.replace("them", "it")  # which speaks of many files
        stream.seek(0)
        try:
            pixel_types.refuse_unidentified_tiff(stream)
        except pixel_types.UnfitPixels as unfit:
            return str(unfit), unfit.hint
        except Exception:  # a TIFF too broken to say what it is
            pass
    return "no picture format that Pillow knows", hint
