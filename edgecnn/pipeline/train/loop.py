"""The training loop: epochs of steps, each epoch followed by validation, a checkpoint and a line to the user."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from edgecnn.common import console
from edgecnn.data import Split
from edgecnn.errors import GateFailed
from edgecnn.nets import device, inference
from edgecnn.pipeline.train import checkpoint, class_balance, optimizer, precise_batch_norm, sync_batch_norm, train_step
from edgecnn.pipeline.train.checkpoint import Basis, Epoch, State
from edgecnn.pipeline.train.optimizer import learning_rate
from edgecnn.pipeline.train.tracking import Tracking
from edgecnn.pipeline.train.train_step import TrainContext
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Taken

RISING_EPOCHS = 3
"""Number of consecutive epochs with rising validation loss and falling training loss that is called overfitting."""

Watch = Callable[[int, nn.Module], None]
"""A callback that gets the number of finished epochs and the net that would be kept, in eval mode and on the CPU.

It is called once before the first epoch, with 0 and the fresh net, and after every epoch.
"""


@dataclass(frozen=True)
class TrainedEpoch:
    """One pass over the training split. Loss and accuracy are means over the augmented images the net saw."""

    epoch: int
    """Counted from 1."""
    lr: float
    """The learning rate of the first step."""
    loss: float
    top1_percent: float
    seconds: float
    images_per_s: float


@dataclass(frozen=True)
class Journal:
    """The record of a training: after every epoch it is written to the run folder, printed, and told to others."""

    folder: Path
    """The run folder, which gets metrics.csv and the checkpoint."""
    epochs: int
    """Epochs of the whole training."""
    basis: Basis
    taken: Taken
    """What the training took of its machine."""
    earlier_s: float
    """Seconds spent before the training was resumed."""
    tracking: Tracking
    watch: Watch | None = None

    def write(self, state: State, seconds: float) -> None:
        """Write the metrics and a checkpoint, print the last epoch's line, and tell the trackers and `watch`.

        Args:
            state: after the epoch, which is the last row of its history.
            seconds: since the training was begun or resumed.
        """
        checkpoint.write_metrics(state.history, self.folder)
        checkpoint.save(self.folder, state, self.basis, self.earlier_s + seconds, self.taken)
        row = state.history[-1]
        console.note(
            f"epoch {row.epoch}/{self.epochs}  loss {row.train_loss:.4f}, validation {row.validation_loss:.4f}  "
            f"top-1 {row.validation_top1_percent:.2f} %  "
            f"{row.pictures_per_s:,.0f} pictures/s"
        )
        self.tracking.epoch(row)
        if self.watch is not None:
            self.watch(row.epoch, device.cpu_version(state.eval_net))


def fit(state: State, ctx: TrainContext, validation: Split, journal: Journal) -> None:
    """Train the epochs of a phase that `state` has not seen, each ended by a validation and a checkpoint.

    If several processes train, only the leader validates, writes, prints and keeps the history; the others wait for it
    in their next step.

    Raises:
        GateFailed: the training loss is not finite.
    """
    net = sync_batch_norm.distribute(state.net, ctx.team)
    done = max(0, len(state.history) - ctx.before)
    warned = any(overfits(state.history[ctx.before : ctx.before + end]) for end in range(done + 1))
    started = time.perf_counter()
    with console.progress(ctx.recipe.name, ctx.all_steps) as advance:
        advance(done * ctx.steps)
        for epoch in range(done, ctx.recipe.epochs):
            trained = train_epoch(state, net, ctx, epoch, advance)
            if not ctx.team.is_leader:
                continue
            state.history.append(validate(state.eval_net, ctx, validation, trained))
            journal.write(state, time.perf_counter() - started)
            if not warned and overfits(state.history[ctx.before :]):
                warned = True
                console.warn(
                    f"overfitting since epoch {trained.epoch - RISING_EPOCHS}: validation loss rises while training "
                    "loss falls; more augmentation, more weight decay or fewer epochs would help"
                )


def train_epoch(
    state: State, net: nn.Module, ctx: TrainContext, epoch: int, advance: Callable[[int], None]
) -> TrainedEpoch:
    """Train for one epoch.

    Args:
        state: what the steps change.
        net: `state.net`, or its distributed form (`sync_batch_norm.distribute`). All processes then draw the same
            batches and each takes its own rows; only dropout is drawn by each process for itself.
        ctx: the training.
        epoch: of this phase, counted from 0.
        advance: called with 1 after every step.

    Raises:
        GateFailed: the training loss is not finite.
    """
    started, recipe = time.perf_counter(), ctx.recipe
    seed = train_step.seed_of(recipe.seed, epoch)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed + ctx.team.rank)  # dropout draws from the global generator
    order = class_balance.order(ctx.training, recipe.data.sampling, generator)
    mirrored = train_step.mirrored(ctx, epoch, generator)
    total_loss, correct, labelled = 0.0, 0.0, 0.0
    net.train()
    for i in range(ctx.steps):
        step = epoch * ctx.steps + i
        indices = order[i * ctx.batch_size : (i + 1) * ctx.batch_size]
        inputs, targets = train_step.load_batch(ctx, indices, mirrored, generator)
        optimizer.set_learning_rate(state.optimizer, learning_rate(recipe.optim, step, ctx.all_steps))
        known = train_step.known_logits(ctx, indices, mirrored)
        loss, logits = train_step.forward(net, ctx, inputs, targets, step, known)
        train_step.backward(state, loss)
        optimizer.step(state, recipe.optim, step)
        total_loss += _finite(loss.item(), recipe, f"epoch {ctx.before + epoch + 1}, step {i + 1}")
        has_label = targets.any(1)
        correct += int(((logits.argmax(1) == targets.argmax(1)) & has_label).sum())
        labelled += int(has_label.sum())
        advance(1)
    total_loss, correct, labelled = ctx.team.all_reduce_sum(total_loss, correct, labelled)
    images, seconds = ctx.steps * ctx.batch_size, time.perf_counter() - started
    return TrainedEpoch(
        epoch=ctx.before + epoch + 1,
        lr=learning_rate(recipe.optim, epoch * ctx.steps, ctx.all_steps),
        loss=total_loss / (ctx.steps * ctx.team.count),
        top1_percent=100 * correct / max(1.0, labelled),
        seconds=seconds,
        images_per_s=images / seconds,
    )


def validate(net: nn.Module, ctx: TrainContext, validation: Split, trained: TrainedEpoch) -> Epoch:
    """Recompute the net's batch-norm statistics, evaluate it, and return the epoch's row of the history."""
    precise_batch_norm.recompute_batch_norm(net, ctx.labelled or ctx.training, ctx.mean, ctx.std, ctx.recipe.seed)
    logits = inference.logits(net, validation.images, ctx.mean, ctx.std)  # (N, K)
    labels = torch.from_numpy(validation.labels)  # (N,)
    return Epoch(
        epoch=trained.epoch,
        lr=trained.lr,
        train_loss=trained.loss,
        train_top1_percent=trained.top1_percent,
        validation_loss=F.cross_entropy(logits, labels).item(),
        validation_top1_percent=100 * (logits.argmax(1) == labels).float().mean().item(),
        seconds=trained.seconds,
        pictures_per_s=trained.images_per_s,
    )


def overfits(history: Sequence[Epoch]) -> bool:
    """Return whether validation loss rose and training loss fell in each of the last RISING_EPOCHS epochs."""
    last = history[-RISING_EPOCHS - 1 :]
    if len(last) <= RISING_EPOCHS:
        return False
    return all(
        after.validation_loss > before.validation_loss and after.train_loss < before.train_loss
        for before, after in itertools.pairwise(last)
    )


def _finite(loss: float, recipe: Recipe, moment: str) -> float:
    """Return the loss, or raise GateFailed if it is not finite."""
    if not math.isfinite(loss):
        raise GateFailed(
            f"The training loss became {loss} in {moment}.",
            f"lower the learning rate: -s optim.lr={recipe.optim.lr / 3:.2g}",
        )
    return loss
