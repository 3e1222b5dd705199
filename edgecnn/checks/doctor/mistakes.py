"""Mistakes that a device makes between an image and the input tensor, in the order they are tried.

A mistake replaces one stage of the right way and leaves the others as they are:

    read     the opened image -> an image         what a camera or a converter did to it
    size     an image -> height x width           the resize rule
    pixels   uint8 (N, H, W, C) -> the same       colour order, orientation, layout
    range    uint8 (N, H, W, C) -> the tensor     what number stands for a pixel
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from edgecnn.checks.doctor.ways import arranging, encoding, reading, resizing

Stage = Literal["read", "size", "pixels", "range"]
STAGES: tuple[Stage, ...] = ("read", "size", "pixels", "range")


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A stage that is done in another way than the model was trained with."""

    stage: Stage
    name: str
    words: str
    """What is fed, such as "pixels / 255"."""
    apply: Callable[..., Any]
    """The function that takes the place of the stage."""
    channels: tuple[int, ...] = (1, 3)
    """Numbers of channels of the models it can happen to."""


MISTAKES: tuple[Mistake, ...] = (
    Mistake(stage="range", name="raw", words="raw pixels, 0 .. 255", apply=encoding.raw),
    Mistake(stage="range", name="bytes", words="bytes as they are", apply=encoding.bytes_as_they_are),
    Mistake(stage="range", name="/255", words="pixels / 255", apply=encoding.by_255),
    Mistake(
        stage="range",
        name="-1..1",
        words="pixels / 127.5 - 1 (mean and deviation 0.5)",
        apply=encoding.minus_one_to_one,
    ),
    Mistake(stage="range", name="-128", words="pixels - 128", apply=encoding.minus_128),
    Mistake(stage="range", name="imagenet", words="ImageNet's mean and deviation", apply=encoding.imagenet),
    Mistake(stage="range", name="caffe", words="ImageNet's mean subtracted, not divided", apply=encoding.caffe),
    Mistake(stage="range", name="mnist", words="MNIST's mean and deviation", apply=encoding.mnist),
    Mistake(
        stage="range", name="each-picture", words="each picture to mean 0, deviation 1", apply=encoding.each_picture
    ),
    Mistake(stage="range", name="/255 cast", words="pixels / 255 cast to integers", apply=encoding.by_255_cast),
    Mistake(stage="range", name="/255 twice", words="pixels / 255 / 255", apply=encoding.by_255_twice),
    Mistake(
        stage="range", name="off by 128", words="bytes off by 128 (int8 for uint8)", apply=encoding.bytes_off_by_128
    ),
    Mistake(stage="range", name="clipped", words="bytes clipped at 127", apply=encoding.bytes_clipped),
    Mistake(stage="pixels", name="BGR", words="blue and red swapped (BGR)", apply=arranging.bgr, channels=(3,)),
    Mistake(stage="pixels", name="inverted", words="dark and bright swapped", apply=arranging.inverted),
    Mistake(
        stage="pixels", name="CHW as HWC", words="planes (CHW) where pixels (HWC) go", apply=arranging.planes_as_pixels
    ),
    Mistake(
        stage="pixels", name="HWC as CHW", words="pixels (HWC) where planes (CHW) go", apply=arranging.pixels_as_planes
    ),
    Mistake(stage="pixels", name="W as H", words="rows and columns swapped", apply=arranging.rows_as_columns),
    Mistake(stage="pixels", name="mirrored", words="left and right swapped", apply=arranging.mirrored),
    Mistake(stage="pixels", name="upside down", words="turned by 180 degrees", apply=arranging.upside_down),
    Mistake(stage="pixels", name="turned left", words="a quarter turn to the left", apply=arranging.quarter_turn_left),
    Mistake(
        stage="pixels", name="turned right", words="a quarter turn to the right", apply=arranging.quarter_turn_right
    ),
    Mistake(stage="pixels", name="grey", words="grey in all channels", apply=arranging.grey_in_colour, channels=(3,)),
    Mistake(stage="size", name="crop", words="the largest centre cropped (crop)", apply=resizing.crop),
    Mistake(stage="size", name="squash", words="squashed (squash)", apply=resizing.squash),
    Mistake(
        stage="size",
        name="squash no antialias",
        words="squashed without antialias (OpenCV's default)",
        apply=resizing.squash_no_antialias,
    ),
    Mistake(stage="size", name="squash nearest", words="squashed to the nearest pixels", apply=resizing.squash_nearest),
    Mistake(stage="size", name="nearest", words="resized to the nearest pixels", apply=resizing.nearest),
    Mistake(
        stage="size", name="no antialias", words="resized bilinearly without antialias", apply=resizing.no_antialias
    ),
    Mistake(stage="size", name="bicubic", words="resized bicubically", apply=resizing.bicubic),
    Mistake(stage="size", name="lanczos", words="resized by Lanczos' kernel", apply=resizing.lanczos),
    Mistake(stage="size", name="area", words="resized by averaging areas", apply=resizing.area),
    Mistake(stage="size", name="letterbox", words="fitted inside, black bars (letterbox)", apply=resizing.letterbox),
    Mistake(
        stage="size",
        name="letterbox grey",
        words="fitted inside, grey bars (letterbox:114)",
        apply=resizing.letterbox_grey,
    ),
    Mistake(
        stage="size",
        name="crop 0.875",
        words="the central 87.5 % cropped (crop:0.875)",
        apply=resizing.central_crop,
    ),
    Mistake(stage="size", name="unscaled", words="the centre cut out, not resized", apply=resizing.unscaled_centre),
    Mistake(stage="read", name="JPEG 75", words="compressed as JPEG, quality 75", apply=reading.jpeg_75),
    Mistake(stage="read", name="JPEG 30", words="compressed as JPEG, quality 30", apply=reading.jpeg_30),
    Mistake(stage="read", name="JPEG 10", words="compressed as JPEG, quality 10", apply=reading.jpeg_10),
    Mistake(
        stage="read", name="green", words="the green channel for grey", apply=reading.green_for_grey, channels=(1,)
    ),
    Mistake(stage="read", name="mean", words="the channels' mean for grey", apply=reading.mean_for_grey, channels=(1,)),
)
"""All mistakes in the order they are tried; if two give the same tensors, the first is named."""
