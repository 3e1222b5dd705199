"""The commands that make and measure models: train, export, bench, run, compare."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecnn.cli import completion, starting
from edgecnn.cli import options as o
from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.errors import GateFailed, Undecided, UsageError

if TYPE_CHECKING:
    from edgecnn.records.artifact import Artifact
    from edgecnn.records.foreign import PictureOptions
    from edgecnn.records.plans import ExportPlan, Suite
    from edgecnn.records.recipe import DataPlan, Recipe


def train(
    recipe: o.RECIPE_IF_ANY = None,
    data: o.DATA = None,
    epochs: o.EPOCHS = None,
    batch_size: o.BATCH_SIZE = None,
    lr: o.LR = None,
    seed: o.SEED = None,
    precision: o.TRAIN_PRECISION = None,
    num_threads: o.TRAIN_THREADS = None,
    device: o.DEVICE = None,
    settings: o.SET = None,
    resume: o.RESUME = False,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, help="Seeds to train with, each into a folder of its own.")
    ] = 1,
    track: o.TRACK = None,
    output: o.OUTPUT = Path("runs"),
    name: o.NAME = None,
    as_json: o.JSON = False,
) -> None:
    """Train a recipe into a run folder, or one that is chosen for --data; with --resume, continue a run folder."""
    keys = _training_keys(epochs, batch_size, lr, seed, precision, num_threads, device)
    folder, plan = starting.find_training(recipe, o.changes(settings, keys), data, output, name)
    if repeats > 1:
        _repeat(folder, plan, repeats, resume, o.trackers(track), as_json)
        return
    from edgecnn.pipeline.train.train import train as verb

    run = verb(plan, folder, resume, trackers=o.trackers(track))
    console.note(f"{run.folder}: {run.train_seconds:.0f} s")
    if as_json:
        say((run.folder / "run.json").read_text(encoding="utf-8"), end="")
    else:
        from edgecnn.pipeline.train.show import show

        show(run)


def _repeat(folder: Path, plan: Recipe, count: int, resume: bool, trackers: tuple[str, ...], as_json: bool) -> None:
    from edgecnn.pipeline.train import repeats

    _, summary = repeats.repeat(plan, folder, count, resume, trackers)
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


def bench(
    targets: o.TARGETS,
    suite: Annotated[str, typer.Option("--suite", help="A suite by name (bench/) or a .toml file.")] = "default",
    data: o.DATA = None,
    size: o.SIZE = None,
    channels: o.CHANNELS = None,
    mean: o.MEAN = None,
    std: o.STD = None,
    logits: o.LOGITS = None,
    board: o.BOARD = None,
    runtime: o.RUNTIME = None,
    num_threads: o.NUM_THREADS = None,
    rounds: o.ROUNDS = None,
    warmup_runs: o.WARMUP_RUNS = None,
    num_runs: o.NUM_RUNS = None,
    min_secs: o.MIN_SECS = None,
    limit: o.LIMIT = None,
    input: o.INPUT = None,
    only_unseen: o.ONLY_UNSEEN = False,
    max_ms: o.MAX_MS = None,
    min_acc: o.MIN_ACC = None,
    strict: o.STRICT = False,
    settings: o.SET = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Time per operator and thread, and what to change.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Report file (.json).")] = None,
    as_json: o.JSON = False,
    as_csv: o.BENCH_CSV = False,
) -> None:
    """Measure latency, memory and accuracy of every file, each in fresh processes that take turns."""
    keys = {
        "board": board, "runtime": runtime, "num_threads": num_threads, "rounds": rounds, "warmup_runs": warmup_runs,
        "num_runs": num_runs, "min_secs": min_secs, "limit": limit, "max_ms": max_ms, "min_acc": min_acc,
        "input": input, "only_unseen": only_unseen or None,
    }  # fmt: skip
    plan = _suite(suite, o.changes(settings, keys))
    pictures = o.pictures(size, channels, mean, std, logits)
    if as_csv and (as_json or profile):
        raise UsageError("--csv is a form of its own, of a report without --profile.", "leave out --json and --profile")
    if profile:
        from edgecnn.pipeline.bench.profiling import profile as profiling
        from edgecnn.pipeline.bench.profiling import results
        from edgecnn.pipeline.bench.profiling import show as present

        profiled = profiling.profile(targets, plan, o.data_plan(data), output, pictures)
        if as_json:
            say(results.to_json(profiled), end="")
        else:
            present.show(profiled)
        if profiled.path:
            console.note(f"{profiled.path} holds every operator and round")
        profiling.judge(profiled)
        return
    _bench(targets, plan, o.data_plan(data), output, as_json, strict, pictures, as_csv)


def run(
    recipes: Annotated[
        list[str] | None,
        typer.Argument(
            help="Recipes by name (models/) or .toml files; one is chosen for --data.",
            autocompletion=completion.recipes,
        ),
    ] = None,
    data: o.DATA = None,
    epochs: o.EPOCHS = None,
    batch_size: o.BATCH_SIZE = None,
    lr: o.LR = None,
    seed: o.SEED = None,
    precision: o.TRAIN_PRECISION = None,
    num_threads: o.TRAIN_THREADS = None,
    device: o.DEVICE = None,
    settings: o.SET = None,
    resume: o.RESUME = False,
    track: o.TRACK = None,
    output: o.OUTPUT = Path("runs"),
    plan: Annotated[str, typer.Option("--plan", help="An export plan.")] = "default",
    suite: Annotated[str, typer.Option("--suite", help="A suite.")] = "default",
    strict: o.STRICT = False,
    as_json: o.JSON = False,
) -> None:
    """Train, export and bench: all three, for one recipe or several that are then benched together."""
    keys = _training_keys(epochs, batch_size, lr, seed, precision, num_threads, device)
    changes = o.changes(settings, keys)
    export_plan, suite_plan = _export_plan(plan, []), _suite(suite, [])
    chosen = [starting.find_training(recipe, changes, data, output) for recipe in recipes or (None,)]
    from edgecnn.pipeline.train.train import train as verb

    failed: GateFailed | Undecided | None = None
    for folder, recipe in chosen:
        verb(recipe, folder, resume, trackers=o.trackers(track))
        try:
            _judge(_export(folder, export_plan, show=not as_json), strict)
        except (GateFailed, Undecided) as gate:  # still bench; the exit code reports the failure at the end
            failed = failed if isinstance(failed, GateFailed) else gate
    try:
        _bench([folder for folder, _ in chosen], suite_plan, None, None, as_json, strict)
    except Undecided as gate:
        failed = failed or gate
    if failed:
        raise failed


def compare(
    a: Annotated[Path, typer.Argument(help="The report before.")],
    b: Annotated[Path, typer.Argument(help="The report after.")],
    across: Annotated[bool, typer.Option("--across", help="Compare different machines all the same.")] = False,
    strict: o.STRICT = False,
    as_json: o.JSON = False,
) -> None:
    """Compare two bench reports: what is worse, by how much, and what could have been told at all."""
    from edgecnn.common import documents
    from edgecnn.pipeline.bench import compare as verb
    from edgecnn.pipeline.bench import compare_table
    from edgecnn.records import report

    comparison = verb.compare(report.read(a), report.read(b), across)
    if as_json:
        say(documents.to_json(dataclasses.asdict(comparison)))
    else:
        compare_table.show(comparison)
    verb.judge(comparison, strict)


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


def _suite(suite: str, changes: list[str]) -> Suite:
    from edgecnn.records import plans

    return plans.load(plans.Suite, suite, changes)


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


def _bench(
    targets: list[Path],
    suite: Suite,
    data: DataPlan | None,
    output: Path | None,
    as_json: bool,
    strict: bool,
    pictures: PictureOptions | None = None,
    as_csv: bool = False,
) -> None:
    from edgecnn.pipeline.bench import bench as verb
    from edgecnn.pipeline.bench import flat
    from edgecnn.pipeline.bench import show as present
    from edgecnn.records import report

    result = verb.bench(targets, suite, data, output, pictures)
    if as_json or as_csv:
        say(flat.csv(result) if as_csv else report.to_json(result), end="")
    else:
        present.show(result)
    if result.path:
        console.note(f"{result.path} holds every sample, {result.path.with_suffix('.md')} the whole table")
    verb.judge(result, suite, strict)
