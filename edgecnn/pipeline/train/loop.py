"""All epochs of a training: each learnt, and then validated, written down and told."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from edgecnn.common import console
from edgecnn.data import Split
from edgecnn.nets import device, inference
from edgecnn.pipeline.train import checkpoint, learning, parallel, precise_batch_norm
from edgecnn.pipeline.train.checkpoint import Epoch, State
from edgecnn.pipeline.train.learning import Task
from edgecnn.pipeline.train.schedule import learning_rate
from edgecnn.records.run import Taken

RISING_EPOCHS = 3
"""Validation loss rising for so many epochs while training loss falls is called overfitting."""

Watch = Callable[[int, nn.Module], None]
"""Called after each epoch, with its number from 1 and the net that would be kept, in eval mode and on the CPU; 0 is the
fresh net."""


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
    net = parallel.shared(state.net, given.team)
    warned = any(overfits(state.history[:end]) for end in range(len(state.history) + 1))
    started = time.perf_counter()
    with console.progress(recipe.name, given.all_steps) as advance:
        advance(len(state.history) * given.steps)
        for epoch in range(len(state.history), recipe.epochs):
            epoch_started = time.perf_counter()
            loss, top1 = learning.one_epoch(state, net, given, epoch, advance)
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


def overfits(history: Sequence[Epoch]) -> bool:
    """Whether validation loss rose and training loss fell in each of the last RISING_EPOCHS epochs."""
    last = history[-RISING_EPOCHS - 1 :]
    if len(last) <= RISING_EPOCHS:
        return False
    return all(
        after.validation_loss > before.validation_loss and after.train_loss < before.train_loss
        for before, after in itertools.pairwise(last)
    )
