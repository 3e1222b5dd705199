"""The commands that make models: train, export, and run, which benches them too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecnn.cli import completion, measuring, mistakes, outputs, starting
from edgecnn.cli import options as o
from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.errors import GateFailed, Undecided, UsageError

if TYPE_CHECKING:
    from edgecnn.records.artifact import Artifact
    from edgecnn.records.plans import ExportPlan
    from edgecnn.records.recipe import Recipe


def train(
    recipe: o.RECIPE_IF_ANY = None,
    data: o.DATA = None,
    size: o.TRAIN_SIZE = None,
    epochs: o.EPOCHS = None,
    batch_size: o.BATCH_SIZE = None,
    lr: o.LR = None,
    seed: o.SEED = None,
    precision: o.TRAIN_PRECISION = None,
    num_threads: o.TRAIN_THREADS = None,
    device: o.DEVICE = None,
    settings: o.SET = None,
    resume: o.RESUME = False,
    force: o.FORCE = False,
    dry_run: o.DRY_RUN = False,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, help="Seeds to train with, each into a folder of its own.")
    ] = 1,
    track: o.TRACK = None,
    output: o.OUTPUT = Path("runs"),
    name: o.NAME = None,
    as_json: o.JSON = False,
) -> None:
    """Train a recipe into a run folder, or one that is chosen for --data; with --resume, continue a run folder."""
    _refuse_contradictions(resume, force, dry_run, repeats)
    outputs.folder(output)
    keys = _training_keys(epochs, batch_size, lr, seed, precision, num_threads, device)
    keys |= _size_keys(size, recipe, o.changes(settings, keys), data)
    folder, plan, source = starting.find_training(recipe, o.changes(settings, keys), data, output, name)
    if dry_run:
        from edgecnn.records import origins

        options = {key: OPTIONS[key] for key, value in keys.items() if value is not None}
        options |= {"data.name": "--data", "data.path": "--data"} if data else {}
        sources = origins.origins(source, plan, settings or (), options)
        _dry_run(plan, folder, sources, force, o.trackers(track), as_json)
        return
    if repeats > 1:
        _repeat(folder, plan, repeats, resume, o.trackers(track), force, as_json)
        return
    from edgecnn.pipeline.train.train import train as verb

    run = verb(plan, folder, resume, trackers=o.trackers(track), force=force)
    console.note(f"{run.folder}: {run.train_seconds:.0f} s")
    if as_json:
        say((run.folder / "run.json").read_text(encoding="utf-8"), end="")
    else:
        from edgecnn.pipeline.train.show import show

        show(run)


def _dry_run(
    plan: Recipe, folder: Path, sources: dict[str, str], force: bool, trackers: tuple[str, ...], as_json: bool
) -> None:
    from edgecnn.common import documents
    from edgecnn.pipeline.train import dry_run

    dry = dry_run.dry_run(plan, folder, sources, force, trackers)
    if as_json:
        say(documents.to_json(dry_run.to_table(dry)))
    else:
        dry_run.show(dry)


def _repeat(
    folder: Path, plan: Recipe, count: int, resume: bool, trackers: tuple[str, ...], force: bool, as_json: bool
) -> None:
    from edgecnn.pipeline.train import repeats

    _, summary = repeats.repeat(plan, folder, count, resume, trackers, force)
    if as_json:
        say((folder / repeats.SUMMARY).read_text(encoding="utf-8"), end="")
    else:
        say(f"{folder}  {summary}")


def export(
    run: o.RUN,
    plan: Annotated[str, typer.Option("--plan", help="An export plan by name (export/) or a .toml file.")] = "default",
    format: o.FORMAT = None,
    precision: o.PRECISION = None,
    io: o.IO = None,
    target: o.TARGET = None,
    onnx_for: o.ONNX_FOR = None,
    calib_samples: o.CALIB_SAMPLES = None,
    max_drop: o.MAX_DROP = None,
    strict: o.STRICT = False,
    rescue: Annotated[bool, typer.Option("--rescue", help="If int8 misses --max-drop, find what mends it.")] = False,
    rescue_all: Annotated[bool, typer.Option("--rescue-all", help="The same, and price every rung.")] = False,
    board: o.BOARD = None,
    only_unseen: o.ONLY_UNSEEN = False,
    settings: o.SET = None,
    as_json: o.JSON = False,
) -> None:
    """Write ONNX and TFLite files from a run, fp32 and int8, and check each against the run."""
    keys = {
        "format": format, "precision": precision, "io": io, "target": target, "onnx_for": onnx_for,
        "calib_samples": calib_samples, "max_drop": max_drop, "board": board, "only_unseen": only_unseen or None,
        "rescue": "all" if rescue_all else "first" if rescue else None,
    }  # fmt: skip
    artifacts = _export(run, _export_plan(plan, o.changes(settings, keys)), show=not as_json)
    if as_json:
        from edgecnn.common import documents
        from edgecnn.records import artifact

        say(documents.to_json([artifact.to_table(card) for card in artifacts]))
    _judge(artifacts, strict)


def run(
    recipes: Annotated[
        list[str] | None,
        typer.Argument(
            help="Recipes by name (models/) or .toml files; one is chosen for --data.",
            autocompletion=completion.recipes,
        ),
    ] = None,
    data: o.DATA = None,
    size: o.TRAIN_SIZE = None,
    epochs: o.EPOCHS = None,
    batch_size: o.BATCH_SIZE = None,
    lr: o.LR = None,
    seed: o.SEED = None,
    precision: o.TRAIN_PRECISION = None,
    num_threads: o.TRAIN_THREADS = None,
    device: o.DEVICE = None,
    settings: o.SET = None,
    resume: o.RESUME = False,
    force: o.FORCE = False,
    track: o.TRACK = None,
    output: o.OUTPUT = Path("runs"),
    plan: Annotated[str, typer.Option("--plan", help="An export plan.")] = "default",
    suite: Annotated[str, typer.Option("--suite", help="A suite.")] = "default",
    strict: o.STRICT = False,
    as_json: o.JSON = False,
) -> None:
    """Train, export and bench recipes in one go; several are benched together.

    It classifies no pictures: `edgecnn predict` does, and on a board the program `run` of a deployed model.
    """
    mistakes.refuse_a_boards_words(recipes or ())
    _refuse_contradictions(resume, force)
    outputs.folder(output)
    keys = _training_keys(epochs, batch_size, lr, seed, precision, num_threads, device)
    export_plan, suite_plan = _export_plan(plan, []), measuring.find_suite(suite, [])
    chosen = []
    for recipe in recipes or (None,):
        sized = keys | _size_keys(size, recipe, o.changes(settings, keys), data)
        chosen.append(starting.find_training(recipe, o.changes(settings, sized), data, output)[:2])
    from edgecnn.pipeline.train.train import train as verb

    failed: GateFailed | Undecided | None = None
    for folder, training in chosen:
        verb(training, folder, resume, trackers=o.trackers(track), force=force)
        try:
            _judge(_export(folder, export_plan, show=not as_json), strict)
        except (GateFailed, Undecided) as gate:  # still bench; the exit code reports the failure at the end
            failed = failed if isinstance(failed, GateFailed) else gate
    try:
        measuring.measure([folder for folder, _ in chosen], suite_plan, None, None, as_json, strict)
    except Undecided as gate:
        failed = failed or gate
    if failed:
        raise failed


OPTIONS = {
    "epochs": "--epochs", "batch_size": "--batch-size", "optim.lr": "--lr", "seed": "--seed",
    "precision": "--precision", "num_threads": "--num-threads", "device": "--device",
    "data.size": "--size", "data.width": "--size",
}  # fmt: skip
"""The option that sets a key of a recipe."""


def _refuse_contradictions(resume: bool, force: bool, dry_run: bool = False, repeats: int = 1) -> None:
    """Raise UsageError for options of a training that cannot go together."""
    if resume and force:
        raise UsageError("--resume goes on with a run, and --force overwrites it.", "give one of them")
    if dry_run and resume:
        raise UsageError("--dry-run looks at a training from its beginning.", "leave out --resume")
    if dry_run and repeats > 1:
        raise UsageError("--dry-run looks at one training, and repeats differ in the seed only.", "leave out --repeats")


def _size_keys(size: str | None, recipe: str | None, changes: list[str], data: str | None) -> dict[str, Any]:
    """Return the keys of a recipe that --size sets. Raises UsageError if its data set's pictures take no size."""
    if size is None or (recipe is None and data is None):
        return {}
    from edgecnn import data as data_sets
    from edgecnn.records import plans, resolve

    height, width = o.picture_size(size)
    plan = resolve.find_recipe(recipe, changes, data).data if recipe is not None else plans.data_plan(str(data))
    return {f"data.{key}": value for key, value in data_sets.size_options(plan.name, height, width).items()}


def _training_keys(
    epochs: int | None,
    batch_size: int | None,
    lr: float | None,
    seed: int | None,
    precision: str | None,
    num_threads: str | None,
    device: str | None,
) -> dict[str, Any]:
    threads = int(num_threads) if num_threads and num_threads.isdecimal() else num_threads
    return {
        "epochs": epochs, "batch_size": batch_size, "optim.lr": lr, "seed": seed,
        "precision": precision, "num_threads": threads, "device": device,
    }  # fmt: skip


def _export_plan(plan: str, changes: list[str]) -> ExportPlan:
    from edgecnn.records import plans

    return plans.load(plans.ExportPlan, plan, changes)


def _export(folder: Path, plan: ExportPlan, show: bool) -> list[Artifact]:
    from edgecnn.pipeline.export import export as verb
    from edgecnn.pipeline.export import show as present
    from edgecnn.records.run import open_run

    artifacts = verb.export(open_run(folder), plan)
    if show:
        present.show(artifacts)
        if plan.rescue != "off":
            verb.show_prices(open_run(folder))
    return artifacts


def _judge(artifacts: list[Artifact], strict: bool) -> None:
    from edgecnn.pipeline.export import export as verb

    verb.judge(artifacts, strict)
