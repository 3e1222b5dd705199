"""Receptive fields: the theoretical one by arithmetic, the effective one from the gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edgecnn.nets import anatomy, layers

ABOVE = 1 - 0.9545
"""Share of the largest gradient from which on a pixel counts as seen: two standard deviations of a Gaussian (Luo et
al., 2016, NeurIPS, arXiv:1701.04128, section 3)."""

PROBE = 8
"""Channels of the random stacks of convolutions."""


class Step(NamedTuple):
    """One layer of a stack."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    is_pool: bool = False


def theoretical(steps: Sequence[Step]) -> int:
    """Compute the field's side in pixels; a dilated kernel spans dilation * (kernel - 1) + 1 pixels."""
    field = anatomy.PIXEL
    for step in steps:
        field = field.behind_layer(step.dilation * (step.kernel - 1) + 1, step.stride)
    return field.size or 0


def stack(steps: Sequence[Step], channels: int = 1) -> nn.Sequential:
    """Build the layers, (N, channels, H, W) -> (N, channels, h, w); pools are max pools."""
    parts: list[nn.Module] = []
    for step in steps:
        if step.is_pool:
            parts.append(nn.MaxPool2d(step.kernel, step.stride))
        else:
            padding = step.dilation * (step.kernel // 2)
            parts.append(nn.Conv2d(channels, channels, step.kernel, step.stride, padding, step.dilation, bias=False))
    return nn.Sequential(*parts)


def measured(features: nn.Module, channels: int, side: int) -> int:
    """Measure the side in pixels of the support of the centre unit's gradient.

    All weights of `features` are overwritten by equal positive values, so that no paths cancel; one column of the
    image is lit at a time, so that max pools pass its gradient on.

    Args:
        features: layers, (N, channels, side, side) -> (N, K, h, w); modified.
        channels: input channels.
        side: side of the image in pixels.
    """
    features = features.double().eval()
    with torch.no_grad():
        for parameter in features.parameters():
            parameter.fill_(1 / parameter[0].numel() if parameter.ndim > 1 else 0.0)
        for module in features.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.fill_(1.0)
    x = torch.zeros(side, channels, side, side, dtype=torch.float64)  # one image per column
    column = torch.arange(side)
    x[column, :, :, column] = 1.0
    gradient = _centre_gradient(features, x.requires_grad_())
    seen = torch.nonzero(gradient[column, :, :, column].abs().sum((1, 2))).flatten()
    return int(seen[-1] - seen[0]) + 1


def effective(features: nn.Module, x: Tensor, seed: int = 0) -> Tensor:
    """Average the absolute gradient of a random mix of the centre unit's channels: x (N, C, H, W) -> (H, W)."""
    with torch.no_grad():
        channels = features(x[:1]).shape[1]
    mix = torch.randn(channels, generator=torch.Generator().manual_seed(seed), dtype=x.dtype)
    return _centre_gradient(features, x.clone().requires_grad_(), mix).abs().mean((0, 1))


def effective_side(gradient: Tensor) -> float:
    """Return the side in pixels of a square with as many pixels as are seen in a gradient (H, W), see `ABOVE`."""
    return math.sqrt(int((gradient >= ABOVE * gradient.max()).sum()))


def random_share(depth: int, seed: int) -> float:
    """Divide the effective by the theoretical side of `depth` random 3x3 convolutions with ReLU, on noise."""
    side = 2 * depth + 1
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = [part for _ in range(depth) for part in (nn.Conv2d(PROBE, PROBE, 3, padding=1), nn.ReLU())]
        features = nn.Sequential(*parts)
        layers.initialise(features)
        gradient = effective(features, torch.randn(16, PROBE, side, side))
    return effective_side(gradient) / side


def _centre_gradient(features: nn.Module, x: Tensor, mix: Tensor | None = None) -> Tensor:
    y = features(x)  # (N, K, h, w)
    centre = y[:, :, y.shape[2] // 2, y.shape[3] // 2]  # (N, K)
    (gradient,) = torch.autograd.grad((centre if mix is None else centre * mix).sum(), x)
    return gradient  # (N, C, H, W)
