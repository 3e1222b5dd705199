"""Single layers under shifts of their input: their equivariance error, and their response to a thin line."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecnn.nets import layers


def downsamplers(channels: int) -> Mapping[str, nn.Module]:
    """Return layers that halve (N, channels, H, W), by name; the strided convolution has random weights."""
    strided = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
    return {
        "stride 2": strided,
        **{f"{name} pool": build(channels) for name, build in layers.POOLS.items()},
    }


def moved(x: Tensor, pixels: int) -> Tensor:
    """Shift x (N, C, H, W) to the right, filling with zeros."""
    return F.pad(x, (pixels, 0))[..., : x.shape[-1]]


def shift_errors(layer: nn.Module, x: Tensor, pixels: int, stride: int, margin: int) -> Tensor:
    """Compute the largest difference between layer(shift(x)) and shift(layer(x)), relative to the largest value.

    If the stride does not divide the shift, the better of the two neighbouring whole shifts of the output counts.

    Args:
        layer: the layer.
        x: input, (N, C, H, W).
        pixels: shift to the right.
        stride: stride of the layer.
        margin: rows and columns of the output to leave out at each border.

    Returns:
        One error per image, (N,).
    """
    with torch.inference_mode():
        after, before = layer(moved(x, pixels)), layer(x)
        output_shifts = {pixels // stride, -(-pixels // stride)}
        inside = slice(margin, -margin) if margin else slice(None)
        errors = [
            (after - moved(before, output_shift))[..., inside, inside].abs().amax((1, 2, 3))
            / before[..., inside, inside].abs().amax((1, 2, 3))
            for output_shift in sorted(output_shifts)
        ]
    return torch.stack(errors).amin(0)


PLACES = range(8, 16)
"""Columns that the line stands in, one per image."""
SIDE = 24
"""Side of the images in pixels."""


def halved(pool: str) -> torch.Tensor:
    """Halve images of a vertical line, 1 pixel wide like an edge filter's response; return the middle rows.

    Args:
        pool: a recipe's name of the pool; "stride" takes every second value.

    Returns:
        Responses, (places, SIDE / 2).
    """
    x = torch.zeros(len(PLACES), 1, SIDE, SIDE)
    for image, column in enumerate(PLACES):
        x[image, :, :, column] = 1.0
    layer: nn.Module = nn.MaxPool2d(1, 2) if pool == "stride" else layers.POOLS[pool](1)
    with torch.inference_mode():
        response: torch.Tensor = layer(x)[:, 0, SIDE // 4]
    return response


def strengths(pool: str) -> list[float]:
    """Return the sum of the response for each place of the line."""
    return [float(total) for total in halved(pool).sum(1)]


def swing(pool: str) -> float:
    """Return the largest minus the smallest sum of the response over the places of the line."""
    totals = strengths(pool)
    return max(totals) - min(totals)


def jump(pool: str) -> float | None:
    """Return the largest deviation of the response's centre from the line, in pixels; None if there is no response."""
    response = halved(pool)
    totals = response.sum(1)
    if float(totals.min()) == 0:
        return None
    centres = 2 * (response * torch.arange(response.shape[1])).sum(1) / totals  # in input pixels
    deviations = centres - torch.tensor(list(PLACES))
    return float((deviations - deviations.mean()).abs().max())
