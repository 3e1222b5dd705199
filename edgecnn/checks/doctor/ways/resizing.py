"""Ways to bring an image to width x height, other than the resize rule."""

from __future__ import annotations

from typing import Any

from edgecnn.checks.doctor.images import centre_box, fitted, resized
from edgecnn.records.resizing import CROP, Resizing


def nearest(image: Any, width: int, height: int) -> Any:
    return resized(image, width, height, _kernel("NEAREST"))


def bicubic(image: Any, width: int, height: int) -> Any:
    return resized(image, width, height, _kernel("BICUBIC"))


def lanczos(image: Any, width: int, height: int) -> Any:
    return resized(image, width, height, _kernel("LANCZOS"))


def area(image: Any, width: int, height: int) -> Any:
    return resized(image, width, height, _kernel("BOX"))


def no_antialias(image: Any, width: int, height: int) -> Any:
    return _sampled(image.crop(centre_box(image.size, width, height)), width, height)


def squash(image: Any, width: int, height: int) -> Any:
    return fitted(image, width, height, Resizing(mode="squash"))


def squash_nearest(image: Any, width: int, height: int) -> Any:
    return image.resize((width, height), _kernel("NEAREST"))


def squash_no_antialias(image: Any, width: int, height: int) -> Any:
    return _sampled(image, width, height)


def crop(image: Any, width: int, height: int) -> Any:
    return fitted(image, width, height, CROP)


def central_crop(image: Any, width: int, height: int) -> Any:
    return fitted(image, width, height, Resizing(share=0.875))


def letterbox(image: Any, width: int, height: int) -> Any:
    return fitted(image, width, height, Resizing(mode="letterbox"))


def letterbox_grey(image: Any, width: int, height: int) -> Any:
    return fitted(image, width, height, Resizing(mode="letterbox", fill=114))


def unscaled_centre(image: Any, width: int, height: int) -> Any:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _sampled(image: Any, width: int, height: int) -> Any:
    """Interpolate each target pixel from the four source pixels around its centre, without antialias."""
    from PIL import Image

    box = (0, 0, image.width, image.height)
    return image.transform((width, height), Image.Transform.EXTENT, box, _kernel("BILINEAR"))


def _kernel(name: str) -> Any:
    from PIL import Image

    return Image.Resampling[name]
