"""The training loop: epochs, each validated, written down and told, and the steps of an epoch."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecnn.common import console
from edgecnn.data import Split
from edgecnn.errors import GateFailed
from edgecnn.nets import device, inference
from edgecnn.pipeline.train import (
    augment,
    checkpoint,
    optimizer,
    precise_batch_norm,
    progressive_resizing,
    sync_batch_norm,
)
from edgecnn.pipeline.train.checkpoint import Epoch, State
from edgecnn.pipeline.train.distillation import Teacher
from edgecnn.pipeline.train.distributed import ALONE, Team
from edgecnn.pipeline.train.optimizer import learning_rate
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Taken

RISING_EPOCHS = 3
"""Validation loss rising for so many epochs while training loss falls is called overfitting."""

Watch = Callable[[int, nn.Module], None]
"""Called after each epoch, with its number from 1 and the net that would be kept, in eval mode and on the CPU; 0 is the
fresh net."""


@dataclass(frozen=True)
class Task:
    """What stays the same over all epochs."""

    recipe: Recipe
    training: Split
    mean: float
    std: float
    teacher: Teacher | None
    team: Team = ALONE
    """The processes that share every batch."""
    where: torch.device = device.CPU
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the matrix products: what was taken, where the recipe may say "auto"."""

    @property
    def steps(self) -> int:
        """Of one epoch; the last pictures that fill no batch wait for another epoch's order."""
        return max(1, len(self.training) // self.recipe.batch_size)

    @property
    def all_steps(self) -> int:
        return self.recipe.epochs * self.steps


def fit(
    state: State,
    given: Task,
    validation: Split,
    folder: Path,
    digest: str,
    earlier_s: float,
    taken: Taken,
    watch: Watch | None,
) -> None:
    """The epochs that `state` has not seen, each ended by a checkpoint in `folder`.

    digest: of the training pictures. earlier_s: seconds spent before. taken: of this machine. Of several processes the
    leader alone validates, writes, speaks and keeps the history, while the others wait in their next step. Raises
    GateFailed if the loss stops being a number.
    """
    recipe, training = given.recipe, given.training
    net = sync_batch_norm.shared(state.net, given.team)
    warned = any(overfits(state.history[:end]) for end in range(len(state.history) + 1))
    started = time.perf_counter()
    with console.progress(recipe.name, given.all_steps) as advance:
        advance(len(state.history) * given.steps)
        for epoch in range(len(state.history), recipe.epochs):
            epoch_started = time.perf_counter()
            loss, top1 = one_epoch(state, net, given, epoch, advance)
            seconds = time.perf_counter() - epoch_started
            if not given.team.leads:
                continue
            precise_batch_norm.settle(state.best_guess, training, given.mean, given.std, recipe.seed)
            validated = inference.logits(state.best_guess, validation.pictures, given.mean, given.std)
            labels = torch.from_numpy(validation.labels)
            row = Epoch(
                epoch=epoch + 1,
                lr=learning_rate(recipe.optim, epoch * given.steps, given.all_steps),
                train_loss=loss,
                train_top1_percent=top1,
                validation_loss=F.cross_entropy(validated, labels).item(),
                validation_top1_percent=100 * (validated.argmax(1) == labels).float().mean().item(),
                seconds=seconds,
                pictures_per_s=given.steps * min(recipe.batch_size, len(training)) / seconds,
            )
            state.history.append(row)
            checkpoint.write_metrics(state.history, folder)
            checkpoint.save(folder, state, digest, earlier_s + time.perf_counter() - started, taken)
            console.note(
                f"epoch {row.epoch}/{recipe.epochs}  train loss {row.train_loss:.4f}  "
                f"validation loss {row.validation_loss:.4f}  top-1 {row.validation_top1_percent:.2f} %  "
                f"{row.pictures_per_s:,.0f} pictures/s"
            )
            if watch is not None:
                watch(row.epoch, device.on_cpu(state.best_guess))
            if not warned and overfits(state.history):
                warned = True
                console.warn(
                    f"overfitting since epoch {row.epoch - RISING_EPOCHS}: validation loss rises while training "
                    "loss falls; more augmentation, more weight decay or fewer epochs would help"
                )


def one_epoch(
    state: State, net: nn.Module, given: Task, epoch: int, advance: Callable[[int], None]
) -> tuple[float, float]:
    """Mean loss and top-1 in percent over the epoch's pictures, as the net saw them; `epoch` counts from 0.

    net: state.net, or its form for several processes (`sync_batch_norm.shared`), which then see the very batches that
    one would: all draw the whole batch, and each takes its rows. Only dropout draws in each process for itself.

    Raises GateFailed if the loss stops being a number.
    """
    recipe, training = given.recipe, given.training
    generator = torch.Generator().manual_seed(seed_of(recipe.seed, epoch))
    torch.manual_seed(seed_of(recipe.seed, epoch) + given.team.rank)  # dropout draws from the global generator
    order = torch.randperm(len(training), generator=generator).numpy()
    mirrored = sides(given, epoch) if recipe.augment.alternate else None
    losses, right = 0.0, 0.0
    net.train()
    for step in range(given.steps):
        chosen = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
        inputs, targets = batch(given, chosen, mirrored, generator)
        number = epoch * given.steps + step
        optimizer.set_learning_rate(state.optimizer, learning_rate(recipe.optim, number, given.all_steps))
        loss, outputs = forward(net, given, inputs, targets, number)
        backward(state, loss)
        optimizer.step(state, recipe.optim, number)
        value = loss.item()
        if not math.isfinite(value):
            raise GateFailed(
                f"The training loss became {value} in epoch {epoch + 1}, step {step + 1}.",
                f"lower the learning rate: -s optim.lr={recipe.optim.lr / 3:.2g}",
            )
        losses += value
        right += int((outputs.argmax(1) == targets.argmax(1)).sum())
        advance(1)
    losses, right = given.team.total(losses, right)
    return losses / (given.steps * given.team.count), 100 * right / (
        given.steps * min(recipe.batch_size, len(training))
    )


def batch(
    given: Task, chosen: npt.NDArray[np.int64], sides: Tensor | None, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(inputs float32 (N, C, H, W), targets float32 (N, K)) of the chosen pictures, changed as the recipe says.

    Of several processes each has N / processes of them, its own.

    sides: of all training pictures, which are mirrored; None draws it.
    """
    plan, training = given.recipe.augment, given.training
    pixels = torch.from_numpy(training.pictures[chosen])
    mirrored = sides[chosen] if sides is not None else None
    values = augment.augment(pixels, plan, given.mean, generator, mirrored)
    targets = F.one_hot(torch.from_numpy(training.labels[chosen]), len(training.classes)).float()
    inputs, targets = augment.mix(inference.normalised(values, given.mean, given.std), targets, plan, generator)
    rows = given.team.rows(len(chosen))
    return device.put(inputs[rows], given.where), device.put(targets[rows], given.where)


def forward(net: nn.Module, given: Task, inputs: Tensor, targets: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """(loss, logits float32 (N, K)) of step `number` of all; a teacher sees whole pictures always."""
    recipe = given.recipe
    with torch.autocast(given.where.type, torch.bfloat16, enabled=given.precision == "bf16"):
        outputs = net(progressive_resizing.at(recipe.small, inputs, number, given.all_steps))
        taught = given.teacher.logits(inputs, given.mean, given.std) if given.teacher else None
    outputs = outputs.float()
    loss = F.cross_entropy(outputs, targets, label_smoothing=recipe.optim.label_smoothing)
    if given.teacher is not None and taught is not None:
        loss = given.teacher.loss(outputs, taught, loss)
    return loss, outputs


def backward(state: State, loss: Tensor) -> None:
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]


def seed_of(seed: int, epoch: int) -> int:
    """The seed of every draw of one epoch."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def sides(given: Task, epoch: int) -> Tensor:
    """Which pictures are mirrored in this epoch, (N,) bool: the others than in the one before (K. Jordan, 2024,
    "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv:2404.00498, section 3.6)."""
    generator = torch.Generator().manual_seed(given.recipe.seed)
    first = torch.randint(0, 2, (len(given.training),), generator=generator)
    return (first + epoch) % 2 == 1


def overfits(history: Sequence[Epoch]) -> bool:
    """Whether validation loss rose and training loss fell in each of the last RISING_EPOCHS epochs."""
    last = history[-RISING_EPOCHS - 1 :]
    if len(last) <= RISING_EPOCHS:
        return False
    return all(
        after.validation_loss > before.validation_loss and after.train_loss < before.train_loss
        for before, after in itertools.pairwise(last)
    )
