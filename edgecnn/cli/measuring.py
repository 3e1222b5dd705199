"""The commands that measure and compare: bench, compare."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli import fleets, outputs
from edgecnn.cli import options as o
from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.records.foreign import PictureOptions
    from edgecnn.records.plans import Suite
    from edgecnn.records.recipe import DataPlan


def bench(
    targets: o.TARGETS,
    suite: Annotated[str, typer.Option("--suite", help="A suite by name (bench/) or a .toml file.")] = "default",
    data: o.DATA = None,
    size: o.SIZE = None,
    channels: o.CHANNELS = None,
    resize: o.RESIZE = None,
    mean: o.MEAN = None,
    std: o.STD = None,
    logits: o.LOGITS = None,
    board: o.BOARD_OR_GROUP = None,
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
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="File (.json) or folder to write the report into."),
    ] = None,
    as_json: o.JSON = False,
    jobs: fleets.JOBS = None,
    resume: fleets.RESUME = False,
    as_csv: o.BENCH_CSV = False,
) -> None:
    """Measure latency, memory and accuracy of every file, each in fresh processes that take turns."""
    keys = {
        "board": board, "runtime": runtime, "num_threads": num_threads, "rounds": rounds, "warmup_runs": warmup_runs,
        "num_runs": num_runs, "min_secs": min_secs, "limit": limit, "max_ms": max_ms, "min_acc": min_acc,
        "input": input, "only_unseen": only_unseen or None,
    }  # fmt: skip
    if fleets.is_group(board):
        if profile or as_csv:
            raise UsageError("--profile and --csv are about one board.", "name one board, or take --json")
        outputs.folder(output)
        _bench_group(
            targets, find_suite(suite, o.changes(settings, {**keys, "board": None})), o.data_plan(data),
            o.pictures(size, channels, mean, std, logits, resize), str(board), strict, output, jobs, resume, as_json,
        )  # fmt: skip
        return
    fleets.refuse_without_group(jobs=jobs, resume=resume)
    if output is not None and output.suffix == ".json" and not output.is_dir():
        outputs.file(output, outputs.is_report_of("bench"), (".json",))
    else:
        outputs.folder(output)
    plan = find_suite(suite, o.changes(settings, keys))
    pictures = o.pictures(size, channels, mean, std, logits, resize)
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
    measure(targets, plan, o.data_plan(data), output, as_json, strict, pictures, as_csv)


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


def find_suite(suite: str, changes: list[str]) -> Suite:
    """Return the suite of that name, with changes."""
    from edgecnn.records import plans

    return plans.load(plans.Suite, suite, changes)


def _bench_group(
    targets: list[Path],
    suite: Suite,
    data: DataPlan | None,
    pictures: PictureOptions | None,
    group: str,
    strict: bool,
    output: Path | None,
    jobs: int | None,
    resume: bool,
    as_json: bool,
) -> None:
    from edgecnn.fleets import measuring

    fleets.run(
        "bench",
        [group],
        measuring.bench(targets, suite, data, pictures, strict),
        measuring.BENCH_HEAD,
        measuring.subject(targets, suite=suite, data=data, pictures=pictures),
        output=output,
        jobs=jobs,
        resume=resume,
        as_json=as_json,
    )


def measure(
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
