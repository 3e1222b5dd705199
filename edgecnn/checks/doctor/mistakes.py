"""What goes wrong between a picture and the input tensor: one mistake one function, all of them in MISTAKES.

A mistake takes the place of one step of the right way and leaves the others as they are:

    read     the encoded picture -> a picture     what a camera or a converter did to it
    size     a picture -> height x width          the resize rule
    pixels   uint8 (N, H, W, C) -> the same       colour order, orientation, layout
    range    uint8 (N, H, W, C) -> the tensor     what number stands for a pixel
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.checks.doctor.images import centre_box, resized
from edgecnn.records.artifact import TensorSpec

Pixels = npt.NDArray[np.uint8]
Tensor = npt.NDArray[Any]
Stage = Literal["read", "size", "pixels", "range"]
STAGES: tuple[Stage, ...] = ("read", "size", "pixels", "range")

IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))
"""Mean and deviation of ImageNet's training pictures / 255, RGB (torchvision's pre-trained models)."""
IMAGENET_PIXELS = np.array([123.68, 116.779, 103.939])
"""The means as Caffe's models subtract them, RGB."""
MNIST = (0.1307, 0.3081)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One step done in another way than the model was trained with."""

    stage: Stage
    name: str
    words: str
    """What is fed, as in "pixels / 255"."""
    apply: Callable[..., Any]
    channels: tuple[int, ...] = (1, 3)
    """Of the models it can happen to."""


# The encoded picture


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


# The size


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
    return image.resize((width, height), _kernel("BILINEAR"))


def squash_nearest(image: Any, width: int, height: int) -> Any:
    return image.resize((width, height), _kernel("NEAREST"))


def squash_no_antialias(image: Any, width: int, height: int) -> Any:
    return _sampled(image, width, height)


def letterbox(image: Any, width: int, height: int) -> Any:
    from PIL import ImageOps

    return ImageOps.pad(image, (width, height), _kernel("BILINEAR"), color=0)


def unscaled_centre(image: Any, width: int, height: int) -> Any:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _sampled(image: Any, width: int, height: int) -> Any:
    """Each target pixel from the four source pixels around its centre, however many lie between."""
    from PIL import Image

    box = (0, 0, image.width, image.height)
    return image.transform((width, height), Image.Transform.EXTENT, box, _kernel("BILINEAR"))


def _kernel(name: str) -> Any:
    from PIL import Image

    return Image.Resampling[name]


# Colour, orientation, layout


def bgr(pixels: Pixels) -> Pixels:
    return pixels[..., ::-1]


def grey_in_colour(pixels: Pixels) -> Pixels:
    luma = (pixels @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)  # (N, H, W), ITU-R BT.601
    return np.repeat(luma[..., None], 3, 3)


def inverted(pixels: Pixels) -> Pixels:
    return np.asarray(255 - pixels, np.uint8)


def planes_as_pixels(pixels: Pixels) -> Pixels:
    """The bytes of (C, H, W) where (H, W, C) is expected."""
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).reshape(pixels.shape)


def pixels_as_planes(pixels: Pixels) -> Pixels:
    """The bytes of (H, W, C) where (C, H, W) is expected."""
    count, height, width, channels = pixels.shape
    return pixels.reshape(count, channels, height, width).transpose(0, 2, 3, 1)


def rows_as_columns(pixels: Pixels) -> Pixels:
    count, height, width, channels = pixels.shape
    return np.ascontiguousarray(pixels.transpose(0, 2, 1, 3)).reshape(count, height, width, channels)


def mirrored(pixels: Pixels) -> Pixels:
    return pixels[:, :, ::-1]


def upside_down(pixels: Pixels) -> Pixels:
    return pixels[:, ::-1, ::-1]


def quarter_turn_left(pixels: Pixels) -> Pixels:
    return np.rot90(pixels, 1, (1, 2)) if pixels.shape[1] == pixels.shape[2] else pixels


def quarter_turn_right(pixels: Pixels) -> Pixels:
    return np.rot90(pixels, -1, (1, 2)) if pixels.shape[1] == pixels.shape[2] else pixels


# What number stands for a pixel


def raw(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return stored(pixels.astype(np.float64), spec)


def by_255(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return stored(pixels / 255, spec)


def by_255_cast(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return cast(pixels / 255, spec)


def by_255_twice(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return stored(pixels / 255**2, spec)


def minus_one_to_one(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return stored(pixels / 127.5 - 1, spec)


def minus_128(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return stored(pixels - 128.0, spec)


def imagenet(pixels: Pixels, spec: TensorSpec) -> Tensor:
    mean, std = IMAGENET
    if pixels.shape[3] == 1:
        mean, std = mean.mean(keepdims=True), std.mean(keepdims=True)
    return stored((pixels / 255 - mean) / std, spec)


def caffe(pixels: Pixels, spec: TensorSpec) -> Tensor:
    mean = IMAGENET_PIXELS if pixels.shape[3] == 3 else IMAGENET_PIXELS.mean()
    return stored(pixels - mean, spec)


def mnist(pixels: Pixels, spec: TensorSpec) -> Tensor:
    return stored((pixels / 255 - MNIST[0]) / MNIST[1], spec)


def each_picture(pixels: Pixels, spec: TensorSpec) -> Tensor:
    """tf.image.per_image_standardization: every picture to mean 0 and deviation 1."""
    flat = pixels.reshape(len(pixels), -1).astype(np.float64)
    least = 1 / np.sqrt(flat.shape[1])
    scaled = (flat - flat.mean(1, keepdims=True)) / np.maximum(flat.std(1, keepdims=True), least)
    return stored(scaled.reshape(pixels.shape), spec)


def bytes_as_they_are(pixels: Pixels, spec: TensorSpec) -> Tensor:
    """A byte for a byte: int8 takes pixel - 128, as its quantised neighbours do."""
    if spec.dtype == "int8":
        return (pixels ^ np.uint8(0x80)).view(np.int8)
    return pixels.astype(spec.dtype)


def bytes_off_by_128(pixels: Pixels, spec: TensorSpec) -> Tensor:
    """int8 without the - 128, or uint8 with it: the same bits in a tensor of the other type."""
    if spec.dtype == "int8":
        return pixels.view(np.int8)
    return pixels ^ np.uint8(0x80) if spec.dtype == "uint8" else pixels.astype(spec.dtype)


def bytes_clipped(pixels: Pixels, spec: TensorSpec) -> Tensor:
    """int8 of a pixel that stops at 127."""
    return cast(np.minimum(pixels, 127), spec) if spec.dtype == "int8" else pixels.astype(spec.dtype)


def stored(values: npt.NDArray[np.floating[Any]], spec: TensorSpec) -> Tensor:
    """Real numbers as a tensor holds them: through scale and zero point if it has them."""
    dtype = np.dtype(spec.dtype)
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype)
    if spec.scale is not None:
        values = np.round(values / spec.scale) + (spec.zero_point or 0)
    span = np.iinfo(dtype)
    return np.clip(np.round(values), span.min, span.max).astype(dtype)


def cast(values: npt.NDArray[Any], spec: TensorSpec) -> Tensor:
    """Real numbers put into a tensor as they are, past its scale."""
    return values.astype(np.int64).astype(spec.dtype) if spec.dtype != "float32" else values.astype(np.float32)


MISTAKES: tuple[Mistake, ...] = (
    Mistake(stage="range", name="raw", words="raw pixels, 0 .. 255", apply=raw),
    Mistake(stage="range", name="bytes", words="bytes as they are", apply=bytes_as_they_are),
    Mistake(stage="range", name="/255", words="pixels / 255", apply=by_255),
    Mistake(stage="range", name="-1..1", words="pixels / 127.5 - 1 (mean and deviation 0.5)", apply=minus_one_to_one),
    Mistake(stage="range", name="-128", words="pixels - 128", apply=minus_128),
    Mistake(stage="range", name="imagenet", words="ImageNet's mean and deviation", apply=imagenet),
    Mistake(stage="range", name="caffe", words="ImageNet's mean subtracted, not divided", apply=caffe),
    Mistake(stage="range", name="mnist", words="MNIST's mean and deviation", apply=mnist),
    Mistake(stage="range", name="each-picture", words="each picture to mean 0, deviation 1", apply=each_picture),
    Mistake(stage="range", name="/255 cast", words="pixels / 255 cast to integers", apply=by_255_cast),
    Mistake(stage="range", name="/255 twice", words="pixels / 255 / 255", apply=by_255_twice),
    Mistake(stage="range", name="off by 128", words="bytes off by 128 (int8 for uint8)", apply=bytes_off_by_128),
    Mistake(stage="range", name="clipped", words="bytes clipped at 127", apply=bytes_clipped),
    Mistake(stage="pixels", name="BGR", words="blue and red swapped (BGR)", apply=bgr, channels=(3,)),
    Mistake(stage="pixels", name="inverted", words="dark and bright swapped", apply=inverted),
    Mistake(stage="pixels", name="CHW as HWC", words="planes (CHW) where pixels (HWC) go", apply=planes_as_pixels),
    Mistake(stage="pixels", name="HWC as CHW", words="pixels (HWC) where planes (CHW) go", apply=pixels_as_planes),
    Mistake(stage="pixels", name="W as H", words="rows and columns swapped", apply=rows_as_columns),
    Mistake(stage="pixels", name="mirrored", words="left and right swapped", apply=mirrored),
    Mistake(stage="pixels", name="upside down", words="turned by 180 degrees", apply=upside_down),
    Mistake(stage="pixels", name="turned left", words="a quarter turn to the left", apply=quarter_turn_left),
    Mistake(stage="pixels", name="turned right", words="a quarter turn to the right", apply=quarter_turn_right),
    Mistake(stage="pixels", name="grey", words="grey in all channels", apply=grey_in_colour, channels=(3,)),
    Mistake(stage="size", name="squash", words="squashed instead of cropped", apply=squash),
    Mistake(
        stage="size",
        name="squash no antialias",
        words="squashed without antialias (OpenCV's default)",
        apply=squash_no_antialias,
    ),
    Mistake(stage="size", name="squash nearest", words="squashed to the nearest pixels", apply=squash_nearest),
    Mistake(stage="size", name="nearest", words="resized to the nearest pixels", apply=nearest),
    Mistake(stage="size", name="no antialias", words="resized bilinearly without antialias", apply=no_antialias),
    Mistake(stage="size", name="bicubic", words="resized bicubically", apply=bicubic),
    Mistake(stage="size", name="lanczos", words="resized by Lanczos' kernel", apply=lanczos),
    Mistake(stage="size", name="area", words="resized by averaging areas", apply=area),
    Mistake(stage="size", name="letterbox", words="fitted inside, black bars", apply=letterbox),
    Mistake(stage="size", name="unscaled", words="the centre cut out, not resized", apply=unscaled_centre),
    Mistake(stage="read", name="JPEG 75", words="compressed as JPEG, quality 75", apply=jpeg_75),
    Mistake(stage="read", name="JPEG 30", words="compressed as JPEG, quality 30", apply=jpeg_30),
    Mistake(stage="read", name="JPEG 10", words="compressed as JPEG, quality 10", apply=jpeg_10),
    Mistake(stage="read", name="green", words="the green channel for grey", apply=green_for_grey, channels=(1,)),
    Mistake(stage="read", name="mean", words="the channels' mean for grey", apply=mean_for_grey, channels=(1,)),
)
"""In the order they are tried; of two that give the same tensors the first is named."""
