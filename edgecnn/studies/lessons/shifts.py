"""Layers alone, and what a shift of their input does to their output."""

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
