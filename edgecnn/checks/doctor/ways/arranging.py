"""Ways to confuse colours, orientation or layout: uint8 (N, H, W, C) -> the same shape."""

from __future__ import annotations

import numpy as np

from edgecnn.checks.doctor.images import Pixels


def bgr(pixels: Pixels) -> Pixels:
    return pixels[..., ::-1]


def grey_in_colour(pixels: Pixels) -> Pixels:
    luma = (pixels @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)  # (N, H, W), ITU-R BT.601
    return np.repeat(luma[..., None], 3, 3)


def inverted(pixels: Pixels) -> Pixels:
    return np.asarray(255 - pixels, np.uint8)


def planes_as_pixels(pixels: Pixels) -> Pixels:
    """Return the bytes of (C, H, W) in the place of (H, W, C)."""
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).reshape(pixels.shape)


def pixels_as_planes(pixels: Pixels) -> Pixels:
    """Return the bytes of (H, W, C) in the place of (C, H, W)."""
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
