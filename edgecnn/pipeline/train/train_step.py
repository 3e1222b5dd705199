"""One training step: load and augment a batch, compute the loss, and its gradients."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecnn.data import Split
from edgecnn.nets import device, inference
from edgecnn.pipeline.train import augment, class_balance, progressive_resizing, slow_kernels
from edgecnn.pipeline.train.checkpoint import State
from edgecnn.pipeline.train.distillation import Teacher
from edgecnn.pipeline.train.distributed import ALONE, Team
from edgecnn.records.recipe import Recipe


@dataclass(frozen=True)
class TrainContext:
    """Everything a training step needs that stays the same in all steps."""

    recipe: Recipe
    training: Split
    mean: float
    """Subtracted from every pixel value before it is divided by `std`."""
    std: float
    teacher: Teacher | None
    team: Team = ALONE
    """The processes that share every batch."""
    device: torch.device = device.CPU
    precision: Literal["fp32", "bf16"] = "fp32"
    """The type of the matrix products, which the recipe may leave to the machine."""
    labelled: Split | None = None
    """The part of `training` that has labels; None if all of it has."""
    before: int = 0
    """Epochs of the phases before this one, whose epochs and steps are counted from its own beginning."""

    @property
    def batch_size(self) -> int:
        """Images in a batch of all processes together: the recipe's, or the whole training split if it is smaller."""
        return min(self.recipe.batch_size, len(self.training))

    @functools.cached_property
    def class_weights(self) -> Tensor | None:
        """The weights of the classes in the loss, float32 (K,) on the device; None if all count as they come."""
        if self.recipe.optim.class_weights == "none":
            return None
        return device.move(
            class_balance.weights(self.training if self.labelled is None else self.labelled).float(), self.device
        )

    @property
    def steps(self) -> int:
        """Steps in an epoch. A last partial batch is dropped (`drop_last`); every epoch shuffles anew."""
        return len(self.training) // self.batch_size

    @property
    def all_steps(self) -> int:
        """Steps in the whole training."""
        return self.recipe.epochs * self.steps


def load_batch(
    ctx: TrainContext, indices: npt.NDArray[np.int64], mirrored: Tensor | None, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Read, augment and mix a batch, and move this process's rows of it to the device.

    Args:
        ctx: the training.
        indices: (N,) of the images in the training split.
        mirrored: (len(training),) bool, which images to flip; None draws it.
        generator: of every random change.

    Returns:
        Inputs, float32 (n, C, H, W), and target probabilities, float32 (n, K), with n = N / processes. Those of an
        image without a label are 0.
    """
    plan, training = ctx.recipe.augment, ctx.training
    images = training.images if training.larger is None else training.larger
    pixels = torch.from_numpy(images[indices])  # (N, H, W, C)
    flips = mirrored[indices] if mirrored is not None else None
    _, height, width = training.input_shape
    values = augment.augment(pixels, plan, ctx.mean, generator, flips, (height, width))
    labels = torch.from_numpy(training.labels[indices])
    targets = F.one_hot(labels.clamp(min=0), len(training.classes)).float()
    if ctx.labelled is not None:
        targets *= (labels >= 0)[:, None]
    inputs, targets = augment.mix(inference.normalised(values, ctx.mean, ctx.std), targets, plan, generator)
    rows = ctx.team.rows(len(indices))
    return device.move(inputs[rows], ctx.device), device.move(targets[rows], ctx.device)


def known_logits(ctx: TrainContext, indices: npt.NDArray[np.int64], mirrored: Tensor | None) -> Tensor | None:
    """Return what teachers of other sizes say of this process's rows of a batch, float32 (n, K); None without any."""
    if ctx.teacher is None or not ctx.teacher.asks_once:
        return None
    rows = torch.from_numpy(indices[ctx.team.rows(len(indices))])
    known = ctx.teacher.known(rows, None if mirrored is None else mirrored[rows])
    return None if known is None else device.move(known, ctx.device)


def forward(
    net: nn.Module, ctx: TrainContext, inputs: Tensor, targets: Tensor, step: int, known: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compute the loss and the logits, float32 (N, K), of one step, counted over all epochs.

    The net may see smaller images in the first steps; a teacher always sees them at full size, or said before what it
    sees (`known_logits`).
    """
    recipe = ctx.recipe
    with torch.autocast(ctx.device.type, torch.bfloat16, enabled=ctx.precision == "bf16"):
        shown = progressive_resizing.resize_for_step(recipe.small, inputs, step, ctx.all_steps)
        is_in_bf16_here = ctx.precision == "bf16" and ctx.device.type == "cpu"
        with slow_kernels.DepthwiseInFp32() if is_in_bf16_here else contextlib.nullcontext():
            logits = net(shown)
        taught = ctx.teacher.logits(inputs, ctx.mean, ctx.std, known) if ctx.teacher else None
    logits, weights, smoothing = logits.float(), ctx.class_weights, recipe.optim.label_smoothing
    if ctx.teacher is not None and taught is not None and ctx.labelled is not None:
        each = F.cross_entropy(logits, targets, weights, label_smoothing=smoothing, reduction="none")
        return ctx.teacher.loss(logits, taught, each, targets.any(1)), logits
    loss = F.cross_entropy(logits, targets, weights, label_smoothing=smoothing)
    if ctx.teacher is not None and taught is not None:
        loss = ctx.teacher.loss(logits, taught, loss)
    return loss, logits


def backward(state: State, loss: Tensor) -> None:
    """Replace the gradients of the net's weights by those of `loss`."""
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]


def seed_of(seed: int, epoch: int) -> int:
    """Return the seed of all random draws of one epoch, a function of the recipe's seed and the epoch alone."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def mirrored(ctx: TrainContext, epoch: int, generator: torch.Generator) -> Tensor | None:
    """Return which training images to flip in this epoch, (N,) bool; None if that is drawn with the batches."""
    plan = ctx.recipe.augment
    if plan.alternate:
        return flip_mask(ctx, epoch)
    if plan.flip and ctx.teacher is not None and ctx.teacher.asks_once:
        return torch.rand(len(ctx.training), generator=generator) < 0.5
    return None


def flip_mask(ctx: TrainContext, epoch: int) -> Tensor:
    """Return which training images to flip in this epoch, (N,) bool: those that were not flipped in the one before.

    Alternating flip is from K. Jordan, 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv:2404.00498,
    section 3.6.
    """
    generator = torch.Generator().manual_seed(ctx.recipe.seed)
    first = torch.randint(0, 2, (len(ctx.training),), generator=generator)
    return (first + epoch) % 2 == 1
