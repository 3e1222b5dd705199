"""Turn an encoded picture into the pixels of a net's input, by the same code in training and on the device."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.common import files
from edgecnn.errors import DataError, MissingPackage
from edgecnn.onboard import picture_formats, picture_sizes, pixel_types
from edgecnn.records.resizing import CROP, Resizing

ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)
"""EXIF's tag for how a picture lies, and its values for a quarter turn."""
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
"""The formats that are read, by Pillow's names, and their suffixes; some that Pillow knows beside start programs."""

PIXEL_RULE = (
    f"a JPEG of more than {picture_sizes.MAX_PIXELS:,} pixels is unpacked at a half of its width and height, or at a"
    " quarter; of 16 or 12 bits a channel the upper 8 are kept; float, signed and deeper pixels are refused;"
    " transparency is laid on black"
)
"""The rule by which pixels are made; it is part of a cache's key, so another rule must be another text."""


@functools.cache
def formats() -> tuple[str, ...]:
    """Return those of FORMATS that this installation reads: AVIF if Pillow has it, HEIF with its plug-in."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # picture_sizes says how many
    names = [name for name in FORMATS if name not in ("AVIF", "HEIF")]
    try:
        from PIL import AvifImagePlugin
    except ImportError:  # before Pillow 11.3
        pass
    else:
        names += ["AVIF"] if AvifImagePlugin.SUPPORTED else []
    if importlib.util.find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
        names.append("HEIF")
    return tuple(names)


def suffixes() -> tuple[str, ...]:
    """Return the suffixes of `formats()`, sorted."""
    return tuple(sorted(suffix for name in formats() for suffix in FORMATS[name]))


def decode(
    source: Path | bytes,
    *,
    height: int,
    width: int,
    channels: int,
    resizing: Resizing = CROP,
    max_pixels: int | None = None,
    name: str = "",
) -> npt.NDArray[np.uint8]:
    """Decode one picture and bring it to size, grey for 1 channel and RGB for 3.

    EXIF orientation is applied; palettes and CMYK become RGB; transparency is laid on black; the upper 8 of 16 bits a
    channel are kept, and the first frame of an animation. Grey is ITU-R BT.601 luma.

    Args:
        source: A file, or the encoded bytes.
        height: The rows of the result.
        width: The columns of the result.
        channels: 1 or 3.
        resizing: What becomes of a picture of another size.
        max_pixels: A bound for the pixels that a picture may declare, beside those of `picture_sizes`.
        name: What an error calls it; by default a file's path, or how many bytes there are.

    Returns:
        uint8 pixels (height, width, channels).

    Raises:
        DataError: The picture cannot be read whole, its pixels have no stated white (float, signed), or it declares
            too many pixels, which are then not unpacked. The sentence names the picture.
        MissingPackage: Pillow is not installed.
    """
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise MissingPackage("pillow", None, "Reading pictures") from error
    if channels not in (1, 3):
        raise DataError(f"A picture has 1 or 3 channels, not {channels}.")
    label = name or (str(source) if isinstance(source, Path) else f"a picture of {len(source)} bytes")
    try:
        reduction = functools.partial(resizing.reduction, to_width=width, to_height=height)
        image = upright(source, max_pixels, reduction)
        return fit(image, height=height, width=width, channels=channels, resizing=resizing)
    except MemoryError:
        raise
    except Exception as error:
        # Pillow's readers meet hostile bytes with whatever the parser tripped over: OSError, ValueError,
        # SyntaxError, struct.error, IndexError, EOFError … All of them mean the same here.
        reason, hint = _explained(error, source)
        raise DataError(f"Cannot read {label}: {reason}.", hint) from error


def fit(image: Any, *, height: int, width: int, channels: int, resizing: Resizing = CROP) -> npt.NDArray[np.uint8]:
    """Bring an upright Pillow image of 8 bits a channel to size, as uint8 (height, width, channels)."""
    from PIL import Image

    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:  # a copy of a large photograph is a hundred megabytes
        image = image.convert(mode)
    own_width, own_height = image.size
    box = resizing.box(own_width, own_height, width, height)
    place = resizing.place(own_width, own_height, width, height)
    if box != (0, 0, own_width, own_height):
        image = image.crop(box)
    inside = place[2] - place[0], place[3] - place[1]
    if image.size != inside:
        image = image.resize(inside, Image.Resampling.BILINEAR)
    if inside != (width, height):
        bars = Image.new(mode, (width, height), resizing.fill if channels == 1 else (resizing.fill,) * 3)
        bars.paste(image, place)
        image = bars
    return np.array(image, dtype=np.uint8).reshape(height, width, channels)


def upright(
    source: Path | bytes, max_pixels: int | None = None, reduction: Callable[[int, int], int] | None = None
) -> Any:
    """Read a Pillow image in its own size, upright and of 8 bits a channel; raises whatever Pillow does.

    A JPEG of more than `picture_sizes.MAX_PIXELS` comes in a half or a quarter of its width and height, and any other
    as many times smaller as `reduction` says of its upright width and height.
    """
    from PIL import ImageOps

    with opened(source, max_pixels) as image:
        pixel_types.refuse(image)
        pixel_types.scale_transparency(image)
        if reduction is not None and image.format in ("JPEG", "MPO") and not image.decoderconfig:  # not reduced yet
            size = image.size[:: -1 if image.getexif().get(ORIENTATION) in TURNED else 1]
            if (factor := reduction(*size)) > 1:
                image.draft(None, (image.width // factor, image.height // factor))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return pixel_types.eight_bits(image)


@contextlib.contextmanager
def opened(source: Path | bytes, max_pixels: int | None = None) -> Iterator[Any]:
    """Open a Pillow image without unpacking it, if it is not too large; raises whatever Pillow does.

    A path must lead to a regular file, for a pipe could keep us waiting for ever.
    """
    from PIL import Image

    with (
        files.open_regular(source) if isinstance(source, Path) else io.BytesIO(source) as stream,
        Image.open(stream, formats=formats()) as image,
    ):
        picture_sizes.bound(image, stream, max_pixels)
        yield image


def is_picture(path: Path) -> bool:
    """Return whether a file begins as a picture of one of `formats()`, whatever its name."""
    try:
        with opened(path):
            return True
    except picture_sizes.TooLarge:
        return True  # `decode` will refuse it and say why
    except Exception:
        return False


def _explained(error: Exception, source: Path | bytes) -> tuple[str, str]:
    """Return (reason, hint) for a picture that could not be read."""
    name, hint = type(error).__name__, "remove or replace it"
    if isinstance(error, pixel_types.UnfitPixels | picture_sizes.TooLarge):
        return str(error), error.hint
    if isinstance(error, OSError) and error.strerror:
        return error.strerror, hint
    if name != "UnidentifiedImageError":
        return str(error).rstrip(".") or name, hint
    with io.BytesIO(source) if isinstance(source, bytes) else files.open_regular(source) as stream:
        foreign = picture_formats.recognise(stream.read(picture_formats.HEAD_BYTES))
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
