"""TrivialAugment: one change for each image, drawn evenly from fourteen, by a strength drawn evenly too.

From S. Müller and F. Hutter, 2021, ICCV, arXiv:2103.10158, with the ranges of its wide space. Images that draw the same
change are changed together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from edgecnn.pipeline.train import colour_jitter

MOST = 0.99
"""Largest shear, and largest relative change of brightness, colour, contrast and sharpness."""
MOST_SHIFT = 1 / 7
"""Largest move, as a share of the side: 32 of 224 pixels."""
MOST_DEGREES = 135.0
LEAST_BITS = 2
"""Fewest bits a channel that posterising leaves."""
SMOOTH = torch.tensor([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]]) / 13
"""Pillow's ImageFilter.SMOOTH, which sharpness is measured against."""


def change(values: Tensor, fill: float, generator: torch.Generator) -> Tensor:
    """Change every image once.

    Args:
        values: float32 (N, H, W, C) in 0..255, with C 1 or 3.
        fill: pixel value of what a move, a turn or a shear brings in.
        generator: of the changes and their strengths.

    Returns:
        float32 (N, H, W, C) in 0..255.
    """
    n = len(values)
    names = list(CHANGES)
    drawn = torch.randint(0, len(names), (n,), generator=generator)
    strength = torch.rand(n, generator=generator) * 2 - 1  # from -1 to 1
    result = values.clone()
    for number, name in enumerate(names):
        members = (drawn == number).nonzero().flatten()
        if len(members):
            result[members] = CHANGES[name](values[members], strength[members], fill)
    return result.clamp_(0, 255)


def _factor(strength: Tensor) -> Tensor:
    return (1 + MOST * strength)[:, None, None, None]


def _identity(values: Tensor, strength: Tensor, fill: float) -> Tensor:
    return values


def _brightness(values: Tensor, strength: Tensor, fill: float) -> Tensor:
    return values * _factor(strength)


def _colour(values: Tensor, strength: Tensor, fill: float) -> Tensor:
    if values.shape[3] == 1:
        return values
    return colour_jitter.apply(values, colour_jitter.matrices(1 + MOST * strength, torch.zeros_like(strength)))


def _contrast(values: Tensor, strength: Tensor, fill: float) -> Tensor:
    luma = values @ colour_jitter.LUMA if values.shape[3] == 3 else values[..., 0]
    mean = luma.mean((1, 2))[:, None, None, None]
    return mean + (values - mean) * _factor(strength)


def _sharpness(values: Tensor, strength: Tensor, fill: float) -> Tensor:
    channels = values.shape[3]
    padded = F.pad(values.permute(0, 3, 1, 2), (1, 1, 1, 1), mode="replicate")
    smooth = F.conv2d(padded, SMOOTH.expand(channels, 1, 3, 3), groups=channels).permute(0, 2, 3, 1)
    return smooth + (values - smooth) * _factor(strength)


def _posterize(values: Tensor, strength: Tensor, fill: float) -> Tensor:
    bits = 8 - (strength.abs() * (8 - LEAST_BITS)).round()
    step = torch.exp2(8 - bits)[:, None, None, None]
    return (values / step).floor() * step


def _solarize(values: Tensor, strength: Tensor, fill: float) -> Tensor:
    threshold = (255 * (1 - strength.abs()))[:, None, None, None]
    return torch.where(values >= threshold, 255 - values, values)


def _autocontrast(values: Tensor, strength: Tensor, fill: float) -> Tensor:
    low, high = values.amin((1, 2), keepdim=True), values.amax((1, 2), keepdim=True)
    span = high - low
    return torch.where(span > 0, (values - low) * (255 / span.clamp(min=1e-6)), values)


def _equalize(values: Tensor, strength: Tensor, fill: float) -> Tensor:
    planes = values.permute(0, 3, 1, 2).flatten(0, 1).flatten(1)  # (N C, H W)
    levels = planes.round().long()
    counts = torch.zeros(len(planes), 256).scatter_add_(1, levels, torch.ones(levels.shape))
    below = counts.cumsum(1)
    last = counts.gather(1, levels.amax(1, keepdim=True))
    span = below[:, -1:] - last
    table = torch.where(span > 0, 255 * (below - counts) / span.clamp(min=1), torch.arange(256.0))
    n, height, width, channels = values.shape
    return table.gather(1, levels).view(n, channels, height, width).permute(0, 2, 3, 1)


def _moved(matrix: Callable[[Tensor, float], Tensor]) -> Callable[[Tensor, Tensor, float], Tensor]:
    """Return the change that looks up every pixel where a matrix (N, 2, 3) of strength and height / width says."""

    def move(values: Tensor, strength: Tensor, fill: float) -> Tensor:
        images = (values - fill).permute(0, 3, 1, 2)
        turns = matrix(strength, values.shape[1] / values.shape[2])
        grid = F.affine_grid(turns, list(images.shape), align_corners=False)
        moved = F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        return moved.permute(0, 2, 3, 1) + fill

    return move


def _matrix(n: int, **entries: Tensor) -> Tensor:
    """Return (N, 2, 3), the identity but for some entries, named by row and column."""
    result = torch.eye(2, 3).repeat(n, 1, 1)
    for place, value in entries.items():
        result[:, int(place[1]), int(place[2])] = value
    return result


def _turn(strength: Tensor, aspect: float) -> Tensor:
    angle = strength * math.radians(MOST_DEGREES)
    return _matrix(len(angle), m00=angle.cos(), m01=-angle.sin() * aspect, m10=angle.sin() / aspect, m11=angle.cos())


CHANGES: Mapping[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "identity": _identity,
    "shear x": _moved(lambda strength, aspect: _matrix(len(strength), m01=MOST * strength * aspect)),
    "shear y": _moved(lambda strength, aspect: _matrix(len(strength), m10=MOST * strength / aspect)),
    "translate x": _moved(lambda strength, aspect: _matrix(len(strength), m02=2 * MOST_SHIFT * strength)),
    "translate y": _moved(lambda strength, aspect: _matrix(len(strength), m12=2 * MOST_SHIFT * strength)),
    "rotate": _moved(_turn),
    "brightness": _brightness,
    "colour": _colour,
    "contrast": _contrast,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
}
"""The changes by name, each of float32 (n, H, W, C), strengths (n,) from -1 to 1 and the fill."""
