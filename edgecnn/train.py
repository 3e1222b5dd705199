"""`edgecnn train`: a Recipe in, a Run out.

Every random draw of epoch e comes from generators seeded by (recipe.seed, e), and the learning rate is
a function of the step alone, so an epoch depends on nothing but the checkpoint before it: a run that
was killed and resumed ends with the very weights of a run that was not.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from edgecnn import (
    anatomy,
    augment,
    batch_norm,
    budget,
    checkpoint,
    console,
    curves,
    data,
    environment,
    files,
    learning,
    nets,
    optimise,
    plans,
)
from edgecnn.checkpoint import Epoch, State
from edgecnn.data import Pictures, Split
from edgecnn.errors import RunError
from edgecnn.learning import Task
from edgecnn.plans import Recipe
from edgecnn.run import Run, is_run, open_run, write_facts
from edgecnn.schedule import learning_rate
from edgecnn.teacher import Teacher

RISING_EPOCHS = 3
"""Validation loss rising for so many epochs while training loss falls is called overfitting."""

NUMBER_OF_EVALUATED = 500
"""Pictures in one forward pass without gradients."""


Watch = Callable[[int, nn.Module], None]
"""Called after each epoch, with its number from 1 and the net that would be kept, in eval mode; 0 is the fresh net."""


def train(recipe: Recipe, folder: Path, resume: bool = False, watch: Watch | None = None) -> Run:
    """Train `recipe` into `folder` and return the finished Run; `watch` sees the net grow.

    With `resume` a checkpoint in the folder is continued. Raises RunError if the folder holds a run
    already, or the checkpoint is another recipe's; GateFailed if the loss stops being a number.
    """
    if is_run(folder) and not resume:
        raise RunError(
            f"{folder} holds a run already.", "continue it with --resume, or choose another --name or --output"
        )
    data_set = data.get(recipe.data.name)
    augment.check(recipe.augment, data_set.FORBIDDEN_AUGMENTATIONS, recipe.data.name)
    splits = data.load(recipe.data)
    height, width, channels = splits.train.pictures.shape[1:]
    shape, classes = (channels, height, width), splits.train.classes
    recipe = budget.resolve(recipe, shape, len(classes))
    if resume:
        _check_same(recipe, folder)
        if (folder / "run.json").is_file():
            console.note(f"{folder} is complete already.")
            return open_run(folder)
    mean, std = pixel_statistics(splits.train.pictures)
    teacher = Teacher(recipe.distill, shape, classes) if recipe.distill else None
    given = Task(recipe, splits.train, mean, std, teacher)
    threads = torch.get_num_threads()
    torch.set_num_threads(recipe.num_threads)
    started = time.perf_counter()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            net = nets.build(recipe.net, shape, len(classes)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            if not resume:
                _claim(recipe, folder)
            state = optimise.fresh_state(net, recipe.optim)
            digest = checkpoint.digest(splits.train)
            earlier_s = checkpoint.load(folder, state, digest) if resume else 0.0
            params, macs = anatomy.folded_parameters(net), anatomy.macs(net, shape)
            console.note(
                f"{recipe.name}: {recipe.net.name} with {params:,} parameters and {macs:,} MACs, "
                f"{len(splits.train):,} pictures to train on, {len(splits.validation):,} to validate"
            )
            if watch is not None and not state.history:
                watch(0, net.eval())
            _fit(state, given, splits.validation, folder, digest, earlier_s, watch)
    finally:
        torch.set_num_threads(threads)

    _save_weights(state.best_guess, folder)
    curves.draw(state.history, recipe.name, folder / "curves.png")
    run = Run(
        folder=folder,
        recipe=recipe,
        input_shape=shape,
        labels=classes,
        mean=mean,
        std=std,
        params=params,
        macs=macs,
        validation_top1_percent=state.history[-1].validation_top1_percent,
        validation_n=len(splits.validation),
        train_seconds=earlier_s + time.perf_counter() - started,
    )
    write_facts(run)
    checkpoint.remove(folder)
    return run


def pixel_statistics(pictures: Pictures) -> tuple[float, float]:
    """(mean rounded to an integer, standard deviation) over all pixels of uint8 (N, H, W, C).

    One mean and one deviation for all channels, and the mean an integer: an int8 input tensor with
    scale 1 / std and zero point mean - 128 then holds every normalised pixel without rounding.
    """
    counts = np.zeros(256, dtype=np.int64)
    for block in data.blocks(pictures):
        counts += torch.bincount(torch.from_numpy(block.ravel()), minlength=256).numpy()
    values, total = np.arange(256), counts.sum()
    mean = float(counts @ values / total)
    variance = float(counts @ (values - mean) ** 2 / total)
    return float(round(mean)), round(max(1.0, math.sqrt(variance)), 4)


def logits(net: nn.Module, pictures: Pictures, mean: float, std: float) -> torch.Tensor:
    """float32 (N, K) of uint8 (N, H, W, C), in eval mode and without gradients."""
    net.eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(pictures), NUMBER_OF_EVALUATED):
            pixels = torch.from_numpy(np.array(pictures[start : start + NUMBER_OF_EVALUATED]))
            parts.append(net(learning.normalised(pixels.to(torch.float32), mean, std)))
    return torch.cat(parts)


def overfits(history: Sequence[Epoch]) -> bool:
    """Whether validation loss rose and training loss fell in each of the last RISING_EPOCHS epochs."""
    last = history[-RISING_EPOCHS - 1 :]
    if len(last) <= RISING_EPOCHS:
        return False
    return all(
        after.validation_loss > before.validation_loss and after.train_loss < before.train_loss
        for before, after in itertools.pairwise(last)
    )


def _fit(
    state: State,
    given: Task,
    validation: Split,
    folder: Path,
    digest: str,
    earlier_s: float,
    watch: Watch | None,
) -> None:
    recipe, training, mean, std = given.recipe, given.training, given.mean, given.std
    warned = any(overfits(state.history[:end]) for end in range(len(state.history) + 1))
    started = time.perf_counter()
    with console.progress(recipe.name, given.all_steps) as advance:
        advance(len(state.history) * given.steps)
        for epoch in range(len(state.history), recipe.epochs):
            epoch_started = time.perf_counter()
            loss, top1 = learning.one_epoch(state, given, epoch, advance)
            seconds = time.perf_counter() - epoch_started
            batch_norm.settle(state.best_guess, training, mean, std, recipe.seed)
            validated = logits(state.best_guess, validation.pictures, mean, std)
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
            checkpoint.save(folder, state, digest, earlier_s + time.perf_counter() - started)
            console.note(
                f"epoch {row.epoch}/{recipe.epochs}  train loss {row.train_loss:.4f}  "
                f"validation loss {row.validation_loss:.4f}  top-1 {row.validation_top1_percent:.2f} %  "
                f"{row.pictures_per_s:,.0f} pictures/s"
            )
            if watch is not None:
                watch(row.epoch, state.best_guess)
            if not warned and overfits(state.history):
                warned = True
                console.warn(
                    f"overfitting since epoch {row.epoch - RISING_EPOCHS}: validation loss rises while training "
                    "loss falls; more augmentation, more weight decay or fewer epochs would help"
                )


def _check_same(recipe: Recipe, folder: Path) -> None:
    """Raise RunError if there is nothing to resume in `folder`, or another recipe's checkpoint or run."""
    if not is_run(folder):
        raise RunError(f"There is nothing to resume in {folder}.", "train without --resume")
    written = plans.load(Recipe, str(folder / "recipe.toml"))
    changed = [f.name for f in dataclasses.fields(Recipe) if getattr(written, f.name) != getattr(recipe, f.name)]
    if changed:
        raise RunError(
            f"What was trained in {folder} is of another recipe: {', '.join(changed)} differ.",
            "resume it with its own recipe, or train under another --name",
        )


def _claim(recipe: Recipe, folder: Path) -> None:
    """Make `folder` this recipe's."""
    files.make_folder(folder)
    files.write_text(folder / "recipe.toml", plans.dump(recipe))
    files.write_json(folder / "environment.json", environment.to_table(environment.here()))


def _save_weights(net: nn.Module, folder: Path) -> None:
    from safetensors.torch import save_file

    weights = {name: value.contiguous() for name, value in net.state_dict().items()}
    with files.replacing(folder / "model.safetensors") as temporary:
        save_file(weights, temporary)
