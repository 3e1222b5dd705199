"""A thin edge that moves by one pixel at a time, and what is left of it where the picture is halved."""

from __future__ import annotations

import torch
from torch import nn

from edgecnn.nets import layers

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
