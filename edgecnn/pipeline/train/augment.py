"""Random changes of whole batches: augmentation of each image by itself, mixup and cutmix of two."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from edgecnn.data import Split
from edgecnn.errors import PlanError
from edgecnn.pipeline.train import colour_jitter, random_resized_crop, trivial_augment
from edgecnn.records.recipe import AugmentPlan

CONTAINS: Mapping[str, tuple[str, ...]] = {
    "resized_crop": ("shift",),
    "trivial": ("shift", "rotation", "jitter", "saturation"),
}
"""What else an augmentation does to images, so that a data set that refuses that refuses it too."""
ERASED_AREA = (0.02, 0.33)
ERASED_RATIO = (0.3, 3.3)
"""Range of a random rectangle's share of the area, and of its height / width (Zhong et al., 2020, arXiv:1708.04896)."""


def check(plan: AugmentPlan, forbidden: Mapping[str, str], data_name: str) -> None:
    """Raise PlanError for an augmentation that changes what this data set's labels mean."""
    for name in plan.used():
        for part in (name, *CONTAINS.get(name, ())):
            if part in forbidden:
                raise PlanError(
                    f"The augmentation {name!r} does not fit {data_name!r}: {forbidden[part]}.",
                    f"set augment.{name} to off",
                )


def check_images(plan: AugmentPlan, training: Split) -> None:
    """Raise PlanError for an augmentation that does nothing to these images, or images that no augmentation uses."""
    for name in ("saturation", "hue"):
        if getattr(plan, name) and training.input_shape[0] == 1:
            raise PlanError(f"The augmentation {name!r} is of colours, and the pictures are grey.", "leave it out")
    if training.larger is not None and not plan.resized_crop:
        raise PlanError(
            "data.larger is for random parts of pictures alone, and augment.resized_crop is off.",
            "set augment.resized_crop = 0.5, or leave data.larger out",
        )


def augment(
    pixels: Tensor,
    plan: AugmentPlan,
    fill: float,
    generator: torch.Generator,
    mirrored: Tensor | None = None,
    size: tuple[int, int] | None = None,
) -> Tensor:
    """Change every image of a batch at random, each independently of the others.

    Args:
        pixels: uint8 (N, H, W, C).
        plan: which augmentations, and how strong.
        fill: pixel value of a cutout.
        generator: what is drawn depends on it and the batch's shape only.
        mirrored: (N,) bool, which images to flip; None draws it.
        size: (height, width) of the result, of images that are larger for a random crop; None is their own.

    Returns:
        float32 (N, height, width, C) in 0..255.
    """
    if plan.resized_crop:
        own = pixels.shape[1], pixels.shape[2]
        pixels = random_resized_crop.crop(pixels, plan.resized_crop, size or own, generator)
    n, height, width, _ = pixels.shape
    if plan.flip or plan.shift:
        pixels = _flip_and_shift(pixels, plan, generator, mirrored)
    values = pixels.to(torch.float32)
    if plan.rotation:
        values = _rotate(values, plan.rotation, generator)
    if plan.jitter:
        contrast = 1 + plan.jitter * _uniform(n, generator)
        brightness = 255 * plan.jitter * _uniform(n, generator)
        values = values.sub_(fill).mul_(contrast).add_(fill + brightness).clamp_(0, 255)
    if plan.saturation or plan.hue:
        factors = 1 + plan.saturation * _uniform(n, generator).flatten()
        degrees = plan.hue * _uniform(n, generator).flatten()
        values = colour_jitter.apply(values, colour_jitter.matrices(factors, degrees))
    if plan.trivial:
        values = trivial_augment.change(values, fill, generator)
    if plan.cutout:
        rows = _random_span(n, height, plan.cutout, generator)
        columns = _random_span(n, width, plan.cutout, generator)
        values.masked_fill_((rows[:, :, None] & columns[:, None, :])[..., None], fill)
    if plan.erasing:
        values.masked_fill_(_rectangles(n, height, width, plan.erasing, generator)[..., None], fill)
    if plan.mask_rows:
        values.masked_fill_(_random_band(n, height, plan.mask_rows, generator)[:, :, None, None], fill)
    if plan.mask_columns:
        values.masked_fill_(_random_band(n, width, plan.mask_columns, generator)[:, None, :, None], fill)
    return values


def mix(inputs: Tensor, targets: Tensor, plan: AugmentPlan, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix every image of a batch with another one of it, and their targets by the same share.

    mixup is from Zhang et al., 2018, ICLR, arXiv:1710.09412, cutmix from Yun et al., 2019, ICCV, arXiv:1905.04899. If
    the plan has neither, inputs and targets are returned as they are.

    Args:
        inputs: float32 (N, C, H, W); cutmix changes them in place.
        targets: probabilities, float32 (N, K).
        plan: its `mixup` or `cutmix` is the parameter of the Beta distribution that the share is drawn from.
        generator: of the partners, the share and the place of the rectangle.
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
        top, bottom = _random_interval(height, side, generator)
        left, right = _random_interval(width, side, generator)
        pasted = inputs[partner, :, top:bottom, left:right]
        inputs[:, :, top:bottom, left:right] = pasted
        share = 1 - (bottom - top) * (right - left) / (height * width)
    return inputs, torch.lerp(targets[partner], targets, share)


def _flip_and_shift(pixels: Tensor, plan: AugmentPlan, generator: torch.Generator, mirrored: Tensor | None) -> Tensor:
    """Flip and shift uint8 (N, H, W, C); what a shift brings in is the image's own reflection."""
    n, height, width, channels = pixels.shape
    rows = torch.arange(height).expand(n, height)  # (N, H)
    columns = torch.arange(width).expand(n, width)  # (N, W)
    if plan.flip:
        if mirrored is None:
            mirrored = torch.rand(n, generator=generator) < 0.5
        columns = torch.where(mirrored[:, None], width - 1 - columns, columns)
    if plan.shift:
        rows = _reflect(rows + _offsets(n, plan.shift, generator), height)
        columns = _reflect(columns + _offsets(n, plan.shift, generator), width)
    # One gather with one index does both; indexing with three arrays takes three times as long.
    first = height * width * torch.arange(n)  # (N,) each image's first pixel among those of the batch
    sources = first[:, None, None] + width * rows[:, :, None] + columns[:, None, :]  # (N, H, W)
    return pixels.reshape(-1, channels).index_select(0, sources.flatten()).view(pixels.shape)


def _rotate(values: Tensor, most_degrees: float, generator: torch.Generator) -> Tensor:
    """Rotate each image of float32 (N, H, W, C) about its centre by an angle of its own, with bilinear sampling."""
    n, height, width, _ = values.shape
    angles = torch.deg2rad(most_degrees * _uniform(n, generator).flatten())  # (N,)
    sine, cosine = angles.sin(), angles.cos()
    aspect = height / width  # the grid's coordinates run from -1 to 1 along both sides
    zero = torch.zeros_like(sine)
    rotations = torch.stack((cosine, -sine * aspect, zero, sine / aspect, cosine, zero), 1).view(n, 2, 3)
    images = values.permute(0, 3, 1, 2)  # (N, C, H, W) in channels-last memory
    grid = F.affine_grid(rotations, list(images.shape), align_corners=False)
    rotated = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return rotated.permute(0, 2, 3, 1).clamp_(0, 255)


def _offsets(n: int, most: int, generator: torch.Generator) -> Tensor:
    """Draw integers from -most to most, (N, 1)."""
    return torch.randint(-most, most + 1, (n, 1), generator=generator)


def _uniform(n: int, generator: torch.Generator) -> Tensor:
    """Draw a number from [-1, 1) for each image, (N, 1, 1, 1)."""
    return torch.rand(n, 1, 1, 1, generator=generator).mul_(2).sub_(1)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Fold indices outside [0, size) back in, as reflection padding without a repeated border does."""
    index = index.abs().remainder(max(1, 2 * (size - 1)))
    return torch.where(index < size, index, 2 * (size - 1) - index)


def _random_span(n: int, size: int, side: int, generator: torch.Generator) -> Tensor:
    """Return which rows (or columns) a square of `side` pixels with a random centre covers, (N, size) bool."""
    start = torch.randint(0, size, (n, 1), generator=generator) - side // 2
    position = torch.arange(size).expand(n, size)
    return (position >= start) & (position < start + side)


def _rectangles(n: int, height: int, width: int, share: float, generator: torch.Generator) -> Tensor:
    """Return which pixels to erase, (N, H, W) bool: a random rectangle in that share of the images."""
    draws = torch.rand(n, 5, generator=generator)  # whether, area, ratio, top, left
    area = height * width * (ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * draws[:, 1])
    low, high = (math.log(bound) for bound in ERASED_RATIO)
    ratio = torch.exp(low + (high - low) * draws[:, 2])
    spans = []
    for side, length, draw in ((height, (area * ratio).sqrt(), 3), (width, (area / ratio).sqrt(), 4)):
        length = length.round().clamp(1, side)
        start = ((side - length + 1) * draws[:, draw]).floor()[:, None]
        position = torch.arange(side).expand(n, side)
        spans.append((position >= start) & (position < start + length[:, None]))
    erased = draws[:, 0] < share
    return erased[:, None, None] & spans[0][:, :, None] & spans[1][:, None, :]


def _random_band(n: int, size: int, most: int, generator: torch.Generator) -> Tensor:
    """Return which rows (or columns) a band of 0 to `most` of them covers, (N, size) bool.

    From Park et al., 2019, SpecAugment, Interspeech, arXiv:1904.08779.
    """
    length = torch.randint(0, min(most, size) + 1, (n, 1), generator=generator)
    start = (torch.rand(n, 1, generator=generator) * (size - length + 1)).long()
    position = torch.arange(size).expand(n, size)
    return (position >= start) & (position < start + length)


def _random_interval(size: int, share: float, generator: torch.Generator) -> tuple[int, int]:
    """Return start and end of about share * size pixels around a random one, cut off at the border."""
    length = round(share * size)
    start = int(torch.randint(0, size, (), generator=generator)) - length // 2
    return max(0, start), min(size, max(0, start + length))


def _beta(alpha: float, generator: torch.Generator) -> float:
    """Draw from Beta(alpha, alpha) by Jöhnk's method (1964, Metrika 8:5), which needs uniform draws only."""
    while True:
        u, v = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        x, y = u ** (1 / alpha), v ** (1 / alpha)
        if 0 < x + y <= 1:
            return float(x / (x + y))
