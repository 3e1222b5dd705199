"""`edgecnn train`: a Recipe in, a Run out.

Every random draw of epoch e comes from generators seeded by (recipe.seed, e), and the learning rate is
a function of the step alone, so an epoch depends on nothing but the checkpoint before it: a run that
was killed and resumed ends with the very weights of a run that was not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shlex
import time
from pathlib import Path

import numpy as np
import torch

from edgecnn import data, nets
from edgecnn.common import console, files, locks
from edgecnn.data import Pictures
from edgecnn.errors import EnvironmentUnfit, GateFailed, RunError
from edgecnn.nets import anatomy, budget, device
from edgecnn.pipeline.train import (
    augment,
    checkpoint,
    curves,
    distributed,
    finetuning,
    loop,
    malloc,
    optimizer,
    progressive_resizing,
    resources,
    seen,
)
from edgecnn.pipeline.train.distillation import Teacher
from edgecnn.pipeline.train.distributed import Team
from edgecnn.pipeline.train.loop import Task, Watch
from edgecnn.records import environment, plans
from edgecnn.records.recipe import OF_THE_MACHINE, Recipe
from edgecnn.records.run import (
    DIVERGED,
    OF_AN_EPOCH,
    TRAINING_LOCK,
    WEIGHTS,
    Run,
    Taken,
    is_free,
    is_run,
    open_run,
    write_facts,
)


def train(recipe: Recipe, folder: Path, resume: bool = False, watch: Watch | None = None) -> Run:
    """Train `recipe` into `folder` and return the finished Run; `watch` sees the net grow.

    With `resume` a checkpoint in the folder is continued. Under torchrun its processes share every batch, and the first
    one writes (`train.distributed`). The recipe's "auto" is what this machine has (`edgecnn.nets.device`,
    `train.resources`); on a resume precision, threads and device may be others than the recipe said at first.

    Raises RunError if the folder holds a run already, or the checkpoint is another recipe's, or another training is at
    work in it; GateFailed if the loss stops being a number; EnvironmentUnfit if the device is not here or the processes
    take different precisions; UsageError if they cannot share a batch evenly, PeerLost if one of them ends.
    """
    if resume and is_run(folder):
        recipe = _as_begun(recipe, folder)
    here = distributed.here()
    where = device.choose(
        recipe.device, processes=here.count, local_processes=here.local_count, local_rank=here.local_rank
    )
    with distributed.joined(where.type) as team, malloc.kept_pages(), contextlib.ExitStack() as held:
        return _train(recipe, folder, resume, watch, team, where, held)


def _train(
    recipe: Recipe,
    folder: Path,
    resume: bool,
    watch: Watch | None,
    team: Team,
    where: torch.device,
    held: contextlib.ExitStack,
) -> Run:
    """The training; until `held` is closed the folder is its own."""
    if not resume:
        _refuse_a_run(folder)
    data_set = data.get(recipe.data.name)
    if recipe.small is not None:
        progressive_resizing.check(recipe.small, recipe.net)
    augment.check(recipe.augment, data_set.FORBIDDEN_AUGMENTATIONS, recipe.data.name)
    with team.leader_first():  # all have looked into the folder before the leader makes it its own
        splits, seen_before = seen.held_out(recipe, data.load(recipe.data))
    team.check(min(recipe.batch_size, len(splits.train)))
    shape, classes = splits.train.input_shape, splits.train.classes
    recipe = budget.resolve(recipe, shape, len(classes))
    facts = resources.here()
    taken = resources.take(recipe, where.type, device.why(recipe.device), facts, team)
    wanted = recipe
    if resume:
        recipe = _same(recipe, folder)
        if (folder / "run.json").is_file():
            console.note(f"{folder} is complete already.")
            return open_run(folder)
    mean, std = pixel_statistics(splits.train.pictures)
    teacher = Teacher(recipe.distill, shape, classes, where) if recipe.distill else None
    threads = torch.get_num_threads()
    torch.set_num_threads(taken.num_threads)
    started = time.perf_counter()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            net = nets.build(recipe.net, shape, len(classes)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            if recipe.start:
                net.load_state_dict(finetuning.weights(recipe, net, splits))
            params, macs = anatomy.folded_parameters(net), anatomy.macs(net, shape)
            state = optimizer.fresh_state(device.put(net, where), recipe.optim)
            digest = checkpoint.digest(splits.train)
            if resume and team.leads:
                held.enter_context(locks.held(folder / TRAINING_LOCK, "training"))
            earlier = checkpoint.load(folder, state, digest) if resume else checkpoint.Earlier()
            if earlier.taken:
                taken = resources.resumed(wanted, taken, earlier.taken)
            _agree(team, taken)
            if not resume and team.leads:
                held.enter_context(locks.held(files.make_folder(folder) / TRAINING_LOCK, "training"))
                _refuse_a_run(folder)  # another may have come and gone since we looked
                _claim(recipe, folder)
            console.note_table(*data.class_counts(splits))
            console.note(
                f"{recipe.name}: {recipe.net.name} with {params:,} parameters and {macs:,} MACs, "
                f"{len(splits.train):,} pictures to train on, {len(splits.validation):,} to validate"
                + (f", from the weights of {recipe.start}" if recipe.start else "")
                + f", {taken}"
                + (f", {team.count} processes" if team.count > 1 else "")
            )
            if earlier.taken and (moved := resources.moved(taken, earlier.taken)):
                console.note(moved)
            if slow := resources.warning(taken, facts):
                console.warn(slow)
            if watch is not None and not state.history and team.leads:
                watch(0, device.on_cpu(net.eval()))
            given = Task(recipe, splits.train, mean, std, teacher, team, where, taken.precision)
            try:
                loop.fit(state, given, splits.validation, folder, digest, earlier.seconds, taken, watch)
            except GateFailed as diverged:
                if team.leads and state.history:
                    files.write_text(folder / DIVERGED, f"{diverged.sentence}\n")
                raise
            (folder / DIVERGED).unlink(missing_ok=True)  # resumed in another precision, it did not
    finally:
        torch.set_num_threads(threads)

    if not team.leads:
        team.wait()
        return open_run(folder)
    weights_sha256 = nets.store(device.on_cpu(state.best_guess), folder / WEIGHTS)
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
        train_seconds=earlier.seconds + time.perf_counter() - started,
        processes=team.count,
        weights_sha256=weights_sha256,
        training=taken,
    )
    seen.record(folder, splits, seen_before)
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


def _as_begun(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with what `folder` was begun with where it leaves that to the machine."""
    written = plans.load(Recipe, str(folder / "recipe.toml"))
    left = {name: getattr(written, name) for name in OF_THE_MACHINE if getattr(recipe, name) == "auto"}
    return dataclasses.replace(recipe, **left)


def _same(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe that `folder` was begun with; it may differ in OF_THE_MACHINE: what was learnt so far was.

    Raises RunError if there is nothing to resume, or another recipe's checkpoint or run.
    """
    if not is_run(folder):
        raise RunError(f"There is nothing to resume in {folder}.", "train without --resume")
    written = plans.load(Recipe, str(folder / "recipe.toml"))
    decisive = (f.name for f in dataclasses.fields(Recipe) if f.name not in OF_THE_MACHINE)
    changed = [name for name in decisive if getattr(written, name) != getattr(recipe, name)]
    if changed:
        raise RunError(
            f"What was trained in {folder} is of another recipe: {', '.join(changed)} differ.",
            _way_on(folder, recipe, changed),
        )
    return written


def _way_on(folder: Path, recipe: Recipe, changed: list[str]) -> str:
    """What to do about a folder that was begun with another recipe."""
    if is_free(folder):
        return "nothing has been learnt there yet: train without --resume"
    hint = "resume it with its own recipe, or train under another --name"
    if changed != ["epochs"]:
        return hint
    words = ["edgecnn", "train", folder / "recipe.toml", "--epochs", recipe.epochs, "-s", f"start={folder}"]
    words += ["--output", folder.parent, "--name", f"{folder.name}-{recipe.epochs}"]
    command = f"`{shlex.join(map(str, words))}`"
    if (folder / "run.json").is_file():
        return f"{command} goes on from its weights"
    return f"{hint}; once it is finished, {command} goes on from its weights"


def _refuse_a_run(folder: Path) -> None:
    """Raise RunError if a new training in `folder` would lose what another has learnt."""
    if not is_free(folder):
        raise RunError(
            f"{folder} holds a run already.", "continue it with --resume, or choose another --name or --output"
        )


def _agree(team: Team, taken: Taken) -> None:
    """Raise EnvironmentUnfit, in every process, if some of them take bf16 and others fp32."""
    (in_bf16,) = team.total(float(taken.precision == "bf16"))
    if in_bf16 not in (0, team.count):
        raise EnvironmentUnfit(
            f"Of the {team.count} processes of this training {in_bf16:.0f} would take bf16, and the others fp32.",
            "name one precision for all: --precision fp32",
        )


def _claim(recipe: Recipe, folder: Path) -> None:
    """Make `folder` this recipe's, and rid it of what a diverged training left."""
    files.make_folder(folder)
    for name in (*OF_AN_EPOCH, DIVERGED):
        (folder / name).unlink(missing_ok=True)
    files.write_text(folder / "recipe.toml", plans.dump(recipe))
    files.write_json(folder / "environment.json", environment.to_table(environment.here()))
