"""The verb: every file, on every runtime that reads it, in fresh processes that take turns."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn import (
    artifact,
    boards,
    config,
    console,
    diagnose,
    files,
    formats,
    plans,
    plugins,
    present,
    report,
    runtimes,
    validity,
)
from edgecnn.artifact import Artifact
from edgecnn.boards import Board
from edgecnn.environment import Environment
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, GateFailed, LinkError, MissingPackage, RunError, UsageError
from edgecnn.measure import Job, Outcome, Timing
from edgecnn.plans import DataPlan, Suite
from edgecnn.report import Accuracy, EndToEnd, Failure, Measurement, Report, Window
from edgecnn.run import is_run, open_run
from edgecnn.stimuli import Shelf, Stimuli, assumed_preprocessing
from edgecnn.summary import summarise
from edgecnn.units import duration


@dataclass
class Candidate:
    """One file on one runtime, and what has been measured of it so far."""

    name: str
    artifact: Artifact
    runtime: str
    carded: bool
    data: DataPlan | None
    windows: list[Window] = field(default_factory=list)
    accuracy: Accuracy | None = None
    end_to_end: EndToEnd | None = None
    error: EdgecnnError | None = None


def bench(
    targets: Sequence[Path], suite: Suite, data: DataPlan | None = None, output: Path | None = None
) -> tuple[Report, Path | None]:
    """Measure all targets and write the Report; returns it with the path of its JSON.

    A target is a run folder, whose files are all measured, on its recipe's pictures unless `data`
    names others, or a model file of any make, which is scored only with `data`. The report goes to
    `output`, or into the run's (or the runs' parent's) bench/ folder; for loose files without
    `output` it is not written. Gates are `judge`'s.

    Raises UsageError for a target that cannot be measured, before anything is; OutputError for an
    unwritable output; when no file at all could be measured, what the first one raised.
    """
    candidates = _candidates(targets, suite, data)
    path = _destination(targets, suite, output)
    with boards.open(suite.board) as board, tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        machine = board.facts()
        candidates = _installed(candidates, machine, suite)
        shelf = Shelf(Path(scratch), suite.limit)
        shown = [shelf.take(one.data, one.artifact) if one.data else None for one in candidates]
        with console.progress("measuring", (suite.rounds + 2) * len(candidates)) as advance:
            for round_ in range(suite.rounds):
                for one in _turns(candidates, round_):
                    _time(board, one, suite)
                    advance(1)
            for one, stimuli in zip(candidates, shown, strict=True):
                _score(board, one, suite, stimuli)
                advance(2)
    # A link that was lost says nothing against a file: what was measured of it before stands, with its failure.
    done = [one for one in candidates if one.error is None or (isinstance(one.error, LinkError) and one.windows)]
    if not done:
        raise next(one.error for one in candidates if one.error)
    measurements = tuple(_measurement(one, suite, machine) for one in done)
    result = Report(
        board=board.name,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=_command(targets, suite, data),
        environment=machine,
        suite=config.table_of(suite),
        measurements=measurements,
        failures=tuple(
            Failure(file=one.name, runtime=one.runtime, sentence=one.error.sentence, hint=one.error.hint)
            for one in candidates
            if one.error
        ),
        warnings=diagnose.warnings(measurements),
    )
    if path:
        report.write(result, path)
        present.write_markdown(result, path.with_suffix(".md"))
    return result, path


def judge(result: Report, suite: Suite) -> None:
    """The gates, once the report is written and shown.

    Raises EnvironmentUnfit when a measurement is INVALID, for no gate can be held against it; GateFailed
    that names every measurement over `max_ms` or under `min_acc`, or one without an accuracy while
    `min_acc` asks for it; EnvironmentUnfit when a file could not be measured at all.
    """
    invalid = [one for one in result.measurements if one.validity.verdict == "INVALID"]
    if invalid:
        first = invalid[0]
        raise EnvironmentUnfit(
            f"{len(invalid)} of {len(result.measurements)} measurements are INVALID, "
            f"{first.file} on {first.runtime} for one: {', '.join(first.validity.reasons)}.",
            "a better power supply or cooling, then measure again",
        )
    misses = []
    for one in result.measurements:
        name, p50_ms, top1 = f"{one.file} on {one.runtime}", one.summary.p50_ms, one.summary.top1_percent
        if suite.max_ms is not None and p50_ms > suite.max_ms:
            misses.append(f"{name} takes {duration(p50_ms)}, over {duration(suite.max_ms)}")
        if suite.min_acc is not None and top1 is None:
            misses.append(f"{name} has no accuracy to hold against {suite.min_acc} %")
        elif suite.min_acc is not None and top1 is not None and top1 < suite.min_acc:
            misses.append(f"{name} reaches {top1:.2f} %, under {suite.min_acc} %")
    if misses:
        raise GateFailed(f"{'; '.join(misses)}.", "the gates are --max-ms and --min-acc")
    if result.failures:
        first = result.failures[0]
        raise EnvironmentUnfit(f"{first.file} on {first.runtime}: {first.sentence}", first.hint)


def _candidates(targets: Sequence[Path], suite: Suite, data: DataPlan | None) -> list[Candidate]:
    if not targets:
        raise UsageError("There is nothing to measure.", "name a run folder or model files")
    for name in suite.runtime:
        runtimes.get(name)
    found = [item for target in targets for item in _artifacts(target, data)]
    names = [one.name for one, _, _ in found]
    candidates = []
    for one, carded, plan in found:
        readers = [name for name in runtimes.for_format(one.description.format) if name in (suite.runtime or (name,))]
        if not readers:
            raise UsageError(
                f"None of the runtimes asked for ({', '.join(suite.runtime)}) reads {one.path}.",
                f"these do: {', '.join(runtimes.for_format(one.description.format))}",
            )
        # Two files of one name from two folders are told apart by their paths.
        name = one.name if names.count(one.name) == 1 else str(one.path)
        candidates += [Candidate(name, one, reader, carded, plan) for reader in readers]
    return candidates


def _artifacts(target: Path, data: DataPlan | None) -> Iterator[tuple[Artifact, bool, DataPlan | None]]:
    """(artifact, whether it has a card, the pictures to score it on) of a run folder or a file."""
    if not target.is_dir():
        card = artifact.read_card(target) if target.is_file() else None
        yield card or _uncarded(target), card is not None, data
        return
    run = open_run(target)
    suffixes = {formats.get(name).SUFFIX for name in plugins.names("formats")}
    paths = sorted(path for path in run.artifacts.glob("*") if path.suffix in suffixes)
    if not paths:
        raise RunError(f"{target} has no exported files.", f"edgecnn export {target}")
    for path in paths:
        card = artifact.read_card(path)
        yield card or _uncarded(path), card is not None, data or run.recipe.data


def _uncarded(path: Path) -> Artifact:
    """An Artifact of a file made elsewhere: what it says of itself, and raw pixels for what it does not."""
    description = formats.describe(path)
    return Artifact(
        path=path,
        description=description,
        preprocessing=assumed_preprocessing(description.input),
        labels=description.labels,
    )


def _destination(targets: Sequence[Path], suite: Suite, output: Path | None) -> Path | None:
    """Where the JSON goes; its folder is made now, so that an unwritable one is said before the work."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{suite.board.replace('/', '').replace(':', '-')}-{stamp}.json"
    folders = [target for target in targets if is_run(target)]
    if output is not None:
        path = output if output.suffix == ".json" else output / name
    elif len(folders) < len(targets):
        return None
    elif len(folders) == 1:
        path = open_run(folders[0]).benches / name
    else:
        path = folders[0].parent / "bench" / name
    files.make_folder(path.parent)
    return path


def _installed(candidates: list[Candidate], machine: Environment, suite: Suite) -> list[Candidate]:
    """The candidates whose runtime the board has; one that was asked for by name must be there."""
    kept = []
    missing: dict[str, str] = {}
    for one in candidates:
        package = runtimes.get(one.runtime).PACKAGE
        if package in machine.packages:
            kept.append(one)
        else:
            missing[one.runtime] = package
    for runtime, package in missing.items():
        if runtime in suite.runtime or not kept:
            raise MissingPackage(package, None, f"The runtime {runtime!r}")
        console.warn(f"The board has no {package}: files for {runtime} are passed over.")
    return kept


def _turns(candidates: Sequence[Candidate], round_: int) -> list[Candidate]:
    """The order of a round. Every second one is the reverse of the one before, so that over each pair all
    candidates stand at the same mean place and a steady drift favours none; each pair begins one further on.
    """
    shift = round_ // 2 % len(candidates)
    order = [*candidates[shift:], *candidates[:shift]]
    return order if round_ % 2 == 0 else order[::-1]


def _job(one: Candidate, suite: Suite) -> Job:
    return Job(
        model=str(one.artifact.path.resolve()),
        input=one.artifact.description.input,
        output=one.artifact.description.output,
        preprocessing=one.artifact.preprocessing,
        runtime=one.runtime,
        num_threads=suite.num_threads,
    )


def _time(board: Board, one: Candidate, suite: Suite) -> None:
    """One more window; a candidate that failed is left out from then on."""
    timing = Timing(
        warmup_runs=suite.warmup_runs,
        num_runs=-(-suite.num_runs // suite.rounds),
        min_secs=suite.min_secs / suite.rounds,
    )
    with _noting_failure(one):
        window = _run(board, one, dataclasses.replace(_job(one, suite), window=timing)).window
        if window:
            one.windows.append(window)


def _score(board: Board, one: Candidate, suite: Suite, stimuli: Stimuli | None) -> None:
    """Accuracy and end-to-end time, once, outside the timing windows."""
    if stimuli is None:
        return
    with _noting_failure(one):
        one.accuracy = _run(board, one, dataclasses.replace(_job(one, suite), accuracy=stimuli.test)).accuracy
    try:
        job = dataclasses.replace(_job(one, suite), end_to_end=stimuli.pictures(suite))
        one.end_to_end = _run(board, one, job).end_to_end
    except MissingPackage as error:
        console.warn(f"No end-to-end time for {one.name}: {error.sentence}")


def _run(board: Board, one: Candidate, job: Job) -> Outcome:
    return Outcome() if one.error else board.run(job)


@contextlib.contextmanager
def _noting_failure(one: Candidate) -> Iterator[None]:
    try:
        yield
    except EdgecnnError as error:
        one.error = error


def _measurement(one: Candidate, suite: Suite, machine: Environment) -> Measurement:
    description = one.artifact.description
    return Measurement(
        file=one.name,
        run=one.artifact.run,
        sha256=description.sha256,
        format=description.format,
        precision=description.precision,
        bytes=description.bytes,
        planned_activation_peak_bytes=description.planned_activation_peak_bytes,
        parameters=description.parameters,
        macs=description.macs,
        runtime=one.runtime,
        runtime_version=machine.packages[runtimes.get(one.runtime).PACKAGE],
        num_threads=suite.num_threads,
        preprocessing_assumed=not one.carded,
        verdict=one.artifact.verdict,
        summary=summarise(one.windows, one.accuracy, one.end_to_end),
        accuracy=one.accuracy,
        end_to_end=one.end_to_end,
        windows=tuple(one.windows),
        validity=validity.judge(one.windows),
    )


def _command(targets: Sequence[Path], suite: Suite, data: DataPlan | None) -> str:
    """The command line that measures this again: the targets and every key that is not the default."""
    usual = {**config.table_of(plans.load(Suite, "default")), "name": suite.name}
    changed = {key: value for key, value in config.table_of(suite).items() if value != usual.get(key)}
    words = ["edgecnn", "bench", *(str(target) for target in targets)]
    for key, value in changed.items():
        words += ["-s", f"{key}={','.join(value) if isinstance(value, list) else value}"]
    if data:
        words += ["--data", str(data.options.get("path", data.name))]
    return shlex.join(words)
