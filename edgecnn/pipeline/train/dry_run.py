"""`edgecnn train --dry-run`: all that a training checks before its first step, and what it would do."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.common import config, console, files
from edgecnn.common.escapes import say
from edgecnn.nets import budget, code, counts, device
from edgecnn.nets.anatomy import Size
from edgecnn.pipeline.train import phases, resources, run_folder, tracking
from edgecnn.pipeline.train.distillation import Teacher
from edgecnn.pipeline.train.distributed import ALONE
from edgecnn.pipeline.train.job import TrainJob, build_net, load_pictures, reproducible
from edgecnn.records.recipe import OF_THE_MACHINE, Recipe
from edgecnn.records.run import Taken, is_free


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """A training as it would begin."""

    folder: Path
    replaces: bool
    """Whether the run that is in the folder now would be overwritten."""
    recipe: Recipe
    """Its budget is resolved."""
    origins: Mapping[str, str]
    """Where the value of each key comes from, such as {"optim.lr": "--lr"}."""
    size: Size
    input_shape: tuple[int, int, int]
    """(C, H, W) of one picture."""
    classes: tuple[str, ...]
    train_n: int
    validation_n: int
    test_n: int
    steps: int
    """Steps of all epochs together."""
    training: Taken


def dry_run(
    recipe: Recipe, folder: Path, origins: Mapping[str, str], force: bool = False, trackers: Sequence[str] = ()
) -> DryRun:
    """Check all that `train` checks before its first step; train nothing, and write nothing.

    What is downloaded or decoded of the data set stays in the cache, as after a training.

    Args:
        recipe: What would be trained.
        folder: The run folder that would be made.
        origins: Where the recipe's values come from (`edgecnn.records.origins`).
        force: Whether a run in the folder would be overwritten.
        trackers: The names of those that would record the training.

    Raises:
        EdgecnnError: What `train` would raise.
    """
    tracking.require(trackers)
    files.require_writable(folder)
    chosen = device.choose(recipe.device)
    run_folder.refuse_a_run(folder, force)
    code.allow(recipe.net.name)
    loaded, seen_before = load_pictures(recipe, ALONE)
    splits = loaded.splits
    resolved = budget.resolve(recipe, splits.train.input_shape, len(splits.train.classes))
    if resolved.distill:
        Teacher(resolved.distill, splits.train.input_shape, splits.train.classes, chosen, loaded)
    facts = resources.here()
    taken = resources.take(resolved, chosen.type, device.why(resolved.device), facts, ALONE)
    with contextlib.ExitStack() as held, reproducible(resolved.seed, taken.num_threads):
        job = TrainJob(
            recipe=resolved, asked=resolved, folder=folder, resume=False, force=force, pictures=loaded,
            seen_before=seen_before, team=ALONE, device=chosen, trackers=(), held=held,
        )  # fmt: skip
        size = counts.size(build_net(job).net, splits.train.input_shape)
    if slow := resources.warning(taken, facts):
        console.warn(slow)
    before = values(recipe)
    scaled = {key: "[budget]" for key, value in values(resolved).items() if before.get(key) != value}
    count = len(splits.train)
    return DryRun(
        folder=folder,
        replaces=not is_free(folder),
        recipe=resolved,
        origins={**origins, **scaled},
        size=size,
        input_shape=splits.train.input_shape,
        classes=splits.train.classes,
        train_n=count,
        validation_n=len(splits.validation),
        test_n=len(splits.test),
        steps=sum(_steps(phase.recipe, count) for phase in phases.phases_of(resolved)),
        training=taken,
    )


def _steps(recipe: Recipe, count: int) -> int:
    """Return the steps of a phase of a training on so many images."""
    if recipe.learn == "head" and recipe.augment.flip:
        count *= 2
    return recipe.epochs * (count // min(recipe.batch_size, count))


def values(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe's values by their dotted keys."""
    return dict(config.flat(config.table_of(recipe)))


def to_table(dry: DryRun) -> dict[str, Any]:
    """Return what is printed with --json."""
    table = dataclasses.asdict(dry)
    del table["origins"], table["size"]
    recipe = {key: {"value": value, "from": dry.origins.get(key)} for key, value in values(dry.recipe).items()}
    return {**table, **dry.size._asdict(), "folder": str(dry.folder), "recipe": recipe}


def show(dry: DryRun) -> None:
    """Print what would be trained, where each value of the recipe comes from, and where the run would be written."""
    channels, height, width = dry.input_shape
    fate = "and replace the run there" if dry.replaces else "which is free"
    say(f"dry run: nothing is trained or written; a training would write {dry.folder}, {fate}")
    say(f"net      {dry.recipe.net.name}: {dry.size.params:,} parameters, {dry.size.macs:,} MACs")
    say(
        f"data     {dry.recipe.data.name}: {dry.train_n:,} pictures to train on, {dry.validation_n:,} to validate, "
        f"{dry.test_n:,} to test; {len(dry.classes)} classes, {height} x {width} x {channels}"
    )
    say(f"steps    {dry.steps:,} in {phases.phases_of(dry.recipe)[-1].end:,} epochs")
    say(f"machine  {dry.training}\n")
    taken = {name: getattr(dry.training, name) for name in OF_THE_MACHINE}
    rows = [
        (key, f"{value} ({taken[key]} here)" if value == "auto" else config.shown(value), dry.origins.get(key, ""))
        for key, value in values(dry.recipe).items()
    ]
    console.table(("key", "value", "from"), rows)
