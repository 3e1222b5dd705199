"""Ways in which an image, as Pillow opens it, was changed before it is resized."""

from __future__ import annotations

import io
from typing import Any

import numpy as np


def jpeg_75(image: Any) -> Any:
    return _recompressed(image, 75)


def jpeg_30(image: Any) -> Any:
    return _recompressed(image, 30)


def jpeg_10(image: Any) -> Any:
    return _recompressed(image, 10)


def green_for_grey(image: Any) -> Any:
    return image.getchannel("G").convert("RGB")


def mean_for_grey(image: Any) -> Any:
    from PIL import Image

    return Image.fromarray(np.asarray(image).mean(2).round().astype(np.uint8)).convert("RGB")


def _recompressed(image: Any, quality: int) -> Any:
    from PIL import Image

    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")
