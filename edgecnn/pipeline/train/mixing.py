"""Two pictures in one, and both their labels: mixup and cutmix over a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from edgecnn.records.recipe import AugmentPlan


def mix(inputs: Tensor, targets: Tensor, plan: AugmentPlan, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(inputs, targets) of a batch, each picture mixed with another of the batch, all by one share.

    inputs float32 (N, C, H, W); targets float32 (N, K), probabilities. mixup: Zhang et al., 2018, ICLR,
    arXiv:1710.09412; cutmix: Yun et al., 2019, ICCV, arXiv:1905.04899. Without either, what was given.
    """
    if not plan.mixup and not plan.cutmix:
        return inputs, targets
    partner = torch.randperm(len(inputs), generator=generator)
    share = _beta(plan.mixup or plan.cutmix, generator)
    if plan.mixup:
        inputs = torch.lerp(inputs[partner], inputs, share)
    else:
        height, width = inputs.shape[2:]
        side = (1 - share) ** 0.5
        top, bottom = _span(height, side, generator)
        left, right = _span(width, side, generator)
        pasted = inputs[partner, :, top:bottom, left:right]
        inputs[:, :, top:bottom, left:right] = pasted
        share = 1 - (bottom - top) * (right - left) / (height * width)
    return inputs, torch.lerp(targets[partner], targets, share)


def _beta(alpha: float, generator: torch.Generator) -> float:
    """A draw from Beta(alpha, alpha), by Jöhnk's method (1964, Metrika 8:5), which needs uniform draws alone."""
    while True:
        u, v = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        x, y = u ** (1 / alpha), v ** (1 / alpha)
        if 0 < x + y <= 1:
            return float(x / (x + y))


def _span(size: int, share: float, generator: torch.Generator) -> tuple[int, int]:
    """A stretch of about share * size pixels around any pixel, cut off at the border."""
    length = round(share * size)
    start = int(torch.randint(0, size, (), generator=generator)) - length // 2
    return max(0, start), min(size, max(0, start + length))
