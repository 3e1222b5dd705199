"""Layers alone, and what a shift of their input does to their output: noise, and a thin edge."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecnn.nets import layers


def downsamplers(channels: int) -> Mapping[str, nn.Module]:
    """Ways to halve (N, channels, H, W); the strided convolution has random weights."""
    strided = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
    return {
        "stride 2": strided,
        **{f"{name} pool": build(channels) for name, build in layers.POOLS.items()},
    }


def moved(x: Tensor, pixels: int) -> Tensor:
    """(N, C, H, W) moved right, zeros moving in."""
    return F.pad(x, (pixels, 0))[..., : x.shape[-1]]


def shift_errors(layer: nn.Module, x: Tensor, pixels: int, stride: int, margin: int) -> Tensor:
    """How far layer(shift(x)) is from shift(layer(x)), relative to the largest value of the latter: (N,).

    x: (N, C, H, W), moved right by `pixels`. margin: columns and rows of the output left out at each border. Where
    the stride does not divide the shift, the nearer of the two whole shifts of the output is taken.
    """
    with torch.inference_mode():
        after, before = layer(moved(x, pixels)), layer(x)
        places = {pixels // stride, -(-pixels // stride)}
        side = slice(margin, -margin) if margin else slice(None)
        errors = [
            (after - moved(before, place))[..., side, side].abs().amax((1, 2, 3))
            / before[..., side, side].abs().amax((1, 2, 3))
            for place in sorted(places)
        ]
    return torch.stack(errors).amin(0)


PLACES = range(8, 16)
"""Columns the line stands at in turn."""
SIDE = 24
"""Of its picture, in pixels."""


def halved(pool: str) -> torch.Tensor:
    """What is left (places, SIDE / 2) of an upright line of 1 pixel, as an edge filter leaves it, in the middle row.

    pool: as a recipe calls it; "stride" takes every second value.
    """
    x = torch.zeros(len(PLACES), 1, SIDE, SIDE)
    for picture, place in enumerate(PLACES):
        x[picture, :, :, place] = 1.0
    layer: nn.Module = nn.MaxPool2d(1, 2) if pool == "stride" else layers.POOLS[pool](1)
    with torch.inference_mode():
        left: torch.Tensor = layer(x)[:, 0, SIDE // 4]
    return left


def strengths(pool: str) -> list[float]:
    """The sum of the response at each place of the line."""
    return [float(total) for total in halved(pool).sum(1)]


def swing(pool: str) -> float:
    """Strongest less weakest sum of the response over the places of the line."""
    totals = strengths(pool)
    return max(totals) - min(totals)


def jump(pool: str) -> float | None:
    """How far the response's centre strays from the line's even motion, in pixels, at most; None if it vanishes."""
    left = halved(pool)
    totals = left.sum(1)
    if float(totals.min()) == 0:
        return None
    centres = 2 * (left * torch.arange(left.shape[1])).sum(1) / totals  # in pixels of the picture
    strays = centres - torch.tensor(list(PLACES))
    return float((strays - strays.mean()).abs().max())
