"""`edgecnn train`: a Recipe in, a Run out.

Every random draw of epoch e comes from generators seeded by (recipe.seed, e), and the learning rate is
a function of the step alone, so an epoch depends on nothing but the checkpoint before it: a run that
was killed and resumed ends with the very weights of a run that was not.
"""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edgecnn import (
    allocator,
    anatomy,
    augment,
    budget,
    checkpoint,
    console,
    curves,
    data,
    device,
    environment,
    epochs,
    files,
    nets,
    optimise,
    plans,
    processes,
    resolution,
    start,
)
from edgecnn.data import Pictures
from edgecnn.epochs import Watch
from edgecnn.errors import RunError
from edgecnn.learning import Task
from edgecnn.processes import Team
from edgecnn.recipes import Recipe
from edgecnn.run import Run, is_run, open_run, write_facts
from edgecnn.teacher import Teacher


def train(recipe: Recipe, folder: Path, resume: bool = False, watch: Watch | None = None) -> Run:
    """Train `recipe` into `folder` and return the finished Run; `watch` sees the net grow.

    With `resume` a checkpoint in the folder is continued. Under torchrun its processes share every batch, and the first
    one writes (`edgecnn.processes`). On CUDA or MPS if there is one (`edgecnn.device`).

    Raises RunError if the folder holds a run already, or the checkpoint is another recipe's; GateFailed if the loss
    stops being a number; UsageError if the processes cannot share a batch evenly, PeerLost if one of them ends.
    """
    where = device.choose(processes.here())
    with processes.joined(where.type) as team, allocator.kept_pages():
        return _train(recipe, folder, resume, watch, team, where)


def _train(recipe: Recipe, folder: Path, resume: bool, watch: Watch | None, team: Team, where: torch.device) -> Run:
    if is_run(folder) and not resume:
        raise RunError(
            f"{folder} holds a run already.", "continue it with --resume, or choose another --name or --output"
        )
    data_set = data.get(recipe.data.name)
    if recipe.small is not None:
        resolution.check(recipe.small, recipe.net)
    augment.check(recipe.augment, data_set.FORBIDDEN_AUGMENTATIONS, recipe.data.name)
    with team.leader_first():  # all have looked into the folder before the leader makes it its own
        splits = data.load(recipe.data)
    team.check(min(recipe.batch_size, len(splits.train)))
    shape, classes = splits.train.input_shape, splits.train.classes
    recipe = budget.resolve(recipe, shape, len(classes))
    if resume:
        _check_same(recipe, folder)
        if (folder / "run.json").is_file():
            console.note(f"{folder} is complete already.")
            return open_run(folder)
    mean, std = pixel_statistics(splits.train.pictures)
    teacher = Teacher(recipe.distill, shape, classes, where) if recipe.distill else None
    given = Task(recipe, splits.train, mean, std, teacher, team, where)
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, recipe.num_threads // team.local_count))
    started = time.perf_counter()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            net = nets.build(recipe.net, shape, len(classes)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            if recipe.start:
                net.load_state_dict(start.weights(recipe, net, splits))
            if not resume and team.leads:
                _claim(recipe, folder)
            params, macs = anatomy.folded_parameters(net), anatomy.macs(net, shape)
            state = optimise.fresh_state(device.put(net, where), recipe.optim)
            digest = checkpoint.digest(splits.train)
            earlier_s = checkpoint.load(folder, state, digest) if resume else 0.0
            console.note(
                f"{recipe.name}: {recipe.net.name} with {params:,} parameters and {macs:,} MACs, "
                f"{len(splits.train):,} pictures to train on, {len(splits.validation):,} to validate"
                + (f", from the weights of {recipe.start}" if recipe.start else "")
                + (f", {team.count} processes" if team.count > 1 else "")
                + (f", on {where.type}" if where != device.CPU else "")
            )
            if watch is not None and not state.history and team.leads:
                watch(0, device.on_cpu(net.eval()))
            epochs.fit(state, given, splits.validation, folder, digest, earlier_s, watch)
    finally:
        torch.set_num_threads(threads)

    if not team.leads:
        team.wait()
        return open_run(folder)
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
        processes=team.count,
        device=where.type,
    )
    write_facts(run)
    checkpoint.remove(folder)
    team.wait()
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

    weights = {name: device.put(value.contiguous(), device.CPU) for name, value in net.state_dict().items()}
    with files.replacing(folder / "model.safetensors") as temporary:
        save_file(weights, temporary)
