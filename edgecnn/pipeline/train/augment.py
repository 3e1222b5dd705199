"""Random changes of whole batches of uint8 images, mixup and cutmix, and the guard of what labels survive."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from edgecnn.errors import PlanError
from edgecnn.records.recipe import AugmentPlan


def check(plan: AugmentPlan, forbidden: Mapping[str, str], data_name: str) -> None:
    """Raise PlanError for an augmentation that changes what this data set's labels mean."""
    for name in plan.used():
        if name in forbidden:
            raise PlanError(
                f"The augmentation {name!r} does not fit {data_name!r}: {forbidden[name]}.",
                f"set augment.{name} to off",
            )


def augment(
    pixels: Tensor,
    plan: AugmentPlan,
    fill: float,
    generator: torch.Generator,
    mirrored: Tensor | None = None,
) -> Tensor:
    """uint8 (N, H, W, C) -> float32 (N, H, W, C), each picture changed on its own.

    fill: pixel value of a cutout. mirrored: which pictures to flip, (N,) bool, instead of a draw.
    The draws depend on `generator` and the batch's shape alone.
    """
    n, height, width, channels = pixels.shape
    if plan.flip or plan.shift:
        rows = torch.arange(height).expand(n, height)  # (N, H)
        columns = torch.arange(width).expand(n, width)  # (N, W)
        if plan.flip:
            if mirrored is None:
                mirrored = torch.rand(n, generator=generator) < 0.5
            columns = torch.where(mirrored[:, None], width - 1 - columns, columns)
        if plan.shift:
            rows = _reflect(rows + _offsets(n, plan.shift, generator), height)
            columns = _reflect(columns + _offsets(n, plan.shift, generator), width)
        # One gather does both and reads every pixel once, by one index: three index arrays take three times as long.
        first = height * width * torch.arange(n)  # (N,): each picture's first pixel among all
        chosen = first[:, None, None] + width * rows[:, :, None] + columns[:, None, :]  # (N, H, W)
        pixels = pixels.reshape(-1, channels).index_select(0, chosen.flatten()).view(pixels.shape)
    values = pixels.to(torch.float32)
    if plan.rotation:
        values = _turned(values, plan.rotation, generator)
    if plan.jitter:
        contrast = 1 + plan.jitter * _uniform(n, generator)
        brightness = 255 * plan.jitter * _uniform(n, generator)
        values = values.sub_(fill).mul_(contrast).add_(fill + brightness).clamp_(0, 255)
    if plan.cutout:
        hole = (
            _inside(n, height, plan.cutout, generator)[:, :, None]
            & _inside(n, width, plan.cutout, generator)[:, None, :]
        )
        values.masked_fill_(hole[..., None], fill)
    return values


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


def _turned(values: Tensor, most_degrees: float, generator: torch.Generator) -> Tensor:
    """Each picture of float32 (N, H, W, C) turned about its centre by an angle of its own, read bilinearly."""
    n, height, width, _ = values.shape
    angles = torch.deg2rad(most_degrees * _uniform(n, generator).flatten())  # (N,)
    sine, cosine = angles.sin(), angles.cos()
    aspect = height / width  # the grid's coordinates run from -1 to 1 on either side
    zero = torch.zeros_like(sine)
    turns = torch.stack((cosine, -sine * aspect, zero, sine / aspect, cosine, zero), 1).view(n, 2, 3)
    pictures = values.permute(0, 3, 1, 2)  # (N, C, H, W) in channels-last memory
    grid = F.affine_grid(turns, list(pictures.shape), align_corners=False)
    turned = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return turned.permute(0, 2, 3, 1).clamp_(0, 255)


def _offsets(n: int, most: int, generator: torch.Generator) -> Tensor:
    return torch.randint(-most, most + 1, (n, 1), generator=generator)


def _uniform(n: int, generator: torch.Generator) -> Tensor:
    """Uniform in [-1, 1), one a picture: (N, 1, 1, 1)."""
    return torch.rand(n, 1, 1, 1, generator=generator).mul_(2).sub_(1)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Fold indices outside [0, size) back as in a mirror that does not repeat the border."""
    index = index.abs().remainder(max(1, 2 * (size - 1)))
    return torch.where(index < size, index, 2 * (size - 1) - index)


def _inside(n: int, size: int, side: int, generator: torch.Generator) -> Tensor:
    """(N, size) bool: which rows (or columns) a square of `side` covers; its centre is any pixel."""
    start = torch.randint(0, size, (n, 1), generator=generator) - side // 2
    position = torch.arange(size).expand(n, size)
    return (position >= start) & (position < start + side)


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
