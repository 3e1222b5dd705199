"""The verb: every file, on every runtime that reads it, in fresh processes that take turns."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgecnn import boards
from edgecnn.boards import Board
from edgecnn.common import config, console, scratch, stats
from edgecnn.common.units import duration, interval
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, LinkError, MissingPackage, UsageError
from edgecnn.formats.onnx import saturation
from edgecnn.onboard.job import Counting, Job, Outcome, Timing
from edgecnn.onboard.runner import selftest
from edgecnn.pipeline.bench import candidates, report_warnings, show
from edgecnn.pipeline.bench.candidates import Candidate, job_of
from edgecnn.pipeline.bench.test_inputs import GoldenVectors, Shelf, Stimuli, golden_vectors
from edgecnn.records import gates, report, settling
from edgecnn.records.environment import Environment
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.gates import Gate
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.report import Failure, Golden, Measurement, Report
from edgecnn.records.run import reads_exports
from edgecnn.records.summary import medians_ms

COUNTING = Counting(num_counts=10, least_instructions=1_000_000)
"""Counts of one process lie within a thousandth of each other, so a few are enough."""


@reads_exports
def bench(
    targets: Sequence[Path],
    suite: Suite,
    data: DataPlan | None = None,
    output: Path | None = None,
    pictures: PictureOptions | None = None,
) -> tuple[Report, Path | None]:
    """Measure all targets and write the Report; returns it with the path of its JSON.

    A target is a run folder, whose files are all measured, on its recipe's pictures unless `data`
    names others, or a model file of any make, which is scored only with `data`; `pictures` says how they are fed,
    against what the file says. The report goes to
    `output`, or into the run's (or the runs' parent's) bench/ folder; for loose files without
    `output` it is not written. Gates are `judge`'s.

    Raises UsageError for a target that cannot be measured, before anything is; OutputError for an
    unwritable output; when no file at all could be measured, what the first one raised.
    """
    found = candidates.find(targets, suite, data, pictures)
    path = candidates.destination(targets, suite, output)
    with candidates.alone(path, output), boards.open_board(suite.board) as board, scratch.folder() as work:
        machine = board.facts()
        found = candidates.installed(found, machine, suite)
        shelf = Shelf(work, suite.limit, suite.only_unseen)
        shown = [shelf.take(one.data, one.artifact, one.runs) if one.data else None for one in found]
        golden = [golden_vectors(one.artifact, work) for one in found]
        rounds = suite.rounds if board.keeps_time else 0  # the rest repeats, so a second process says nothing new
        with console.progress("measuring", (rounds + 2) * len(found)) as advance:
            for round_ in range(rounds):
                for one in boards.in_turns(found, round_):
                    _time(board, one, suite)
                    advance(1)
            for one, stimuli, vectors in zip(found, shown, golden, strict=True):
                score(board, one, suite, stimuli, vectors)
                if stimuli and board.keeps_time:
                    _time_whole(board, one, suite, stimuli)
                advance(2)
    # A link that was lost says nothing against a file: what was measured of it before stands, with its failure.
    done = [one for one in found if one.error is None or (isinstance(one.error, LinkError) and one.has_begun)]
    if not done:
        raise next(one.error for one in found if one.error)
    measurements = tuple(candidates.measurement(one, suite, machine) for one in done)
    result = Report(
        board=board.name,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=candidates.command(targets, suite, data, *(pictures.words() if pictures else ())),
        environment=machine,
        suite=config.table_of(suite),
        measurements=measurements,
        failures=tuple(
            Failure(file=one.name, runtime=one.runtime, sentence=one.error.sentence, hint=one.error.hint)
            for one in found
            if one.error
        ),
        warnings=report_warnings.warnings(measurements, machine.arch, _causes(done, machine)),
        gates=hold(measurements, suite),
    )
    if path:
        report.write(result, path)
        show.write_markdown(result, path.with_suffix(".md"))
    return result, path


def judge(result: Report, suite: Suite, strict: bool = False) -> None:
    """The gates, once the report is written and shown.

    Raises EnvironmentUnfit when a measurement is INVALID, for no gate can be held against it; GateFailed
    that names every measurement over `max_ms` or under `min_acc` beyond doubt, or one without an accuracy while
    `min_acc` asks for it; EnvironmentUnfit when a file could not be measured at all; with `strict` Undecided for what
    may be beyond a gate or not, which is a warning otherwise.
    """
    invalid = [one for one in result.measurements if one.validity.verdict == "INVALID"]
    if invalid:
        doubted = invalid[0]
        raise EnvironmentUnfit(
            f"{len(invalid)} of {len(result.measurements)} measurements are INVALID, "
            f"{doubted.file} on {doubted.runtime} for one: {', '.join(doubted.validity.reasons)}.",
            "a better power supply or cooling, then measure again",
        )
    hint = f"more test pictures (--limit, now {suite.limit:,})" if suite.limit else "a larger test split"
    settling.settle(
        hold(result.measurements, suite),
        strict,
        "the gates are --max-ms and --min-acc",
        f"an accuracy is told closer by {hint}, a latency by more --rounds on a quiet machine",
    )
    if result.failures:
        first = result.failures[0]
        raise EnvironmentUnfit(f"{first.file} on {first.runtime}: {first.sentence}", first.hint)


def hold(measurements: Sequence[Measurement], suite: Suite) -> tuple[Gate, ...]:
    """The gates of the suite on every measurement that is not INVALID: the interval decides, not the estimate."""
    valid = [one for one in measurements if one.validity.verdict != "INVALID"]
    of_latency = [_hold_latency(one, suite.max_ms) for one in valid if suite.max_ms is not None]
    of_accuracy = [_hold_accuracy(one, suite.min_acc) for one in valid if suite.min_acc is not None]
    return (*of_latency, *of_accuracy)


def _hold_latency(one: Measurement, max_ms: float) -> Gate:
    name, medians = f"{one.file} on {one.runtime}", medians_ms(one.windows)
    if not medians:
        sentence = f"{name} has no latency to hold against {duration(max_ms)}"
        return Gate(limit="max-ms", subject=name, outcome="fail", sentence=sentence)
    p50_ms, (low, high) = stats.quantile(medians, 0.5), stats.typical_interval(medians)
    outcome = gates.at_most(low, high, max_ms)
    how = {"pass": "within", "fail": "over", "cannot tell": "against"}[outcome]
    sentence = f"{name} takes {interval(p50_ms, low, high)}, {how} {duration(max_ms)}"
    if outcome == "cannot tell":
        needed = stats.needed_n(len(medians), p50_ms, low, high, max_ms)
        sentence += f", {gates.doubt(len(medians), needed, 'rounds')}"
    return Gate(limit="max-ms", subject=name, outcome=outcome, sentence=sentence)


def _hold_accuracy(one: Measurement, min_acc: float) -> Gate:
    name, scored = f"{one.file} on {one.runtime}", one.accuracy
    if scored is None:
        sentence = f"{name} has no accuracy to hold against {min_acc} %"
        return Gate(limit="min-acc", subject=name, outcome="fail", sentence=sentence)
    top1 = stats.wilson(scored.correct, scored.n)
    outcome = gates.at_least(top1.low_percent, top1.high_percent, min_acc)
    how = {"pass": "at least", "fail": "under", "cannot tell": "against"}[outcome]
    sentence = f"{name} reaches {top1}, {how} {min_acc} %"
    if outcome == "cannot tell":
        needed = stats.needed_n(scored.n, top1.percent, top1.low_percent, top1.high_percent, min_acc)
        sentence += f", {gates.doubt(scored.n, needed)}"
    return Gate(limit="min-acc", subject=name, outcome=outcome, sentence=sentence)


def _time(board: Board, one: Candidate, suite: Suite) -> None:
    """One more window; a candidate that failed is left out from then on."""
    timing = Timing(
        warmup_runs=suite.warmup_runs,
        num_runs=-(-suite.num_runs // suite.rounds),
        min_secs=suite.min_secs / suite.rounds,
    )
    with _noting_failure(one):
        window = _run(board, one, dataclasses.replace(job_of(one, suite), window=timing)).window
        if window:
            one.windows.append(window)


def score(board: Board, one: Candidate, suite: Suite, stimuli: Stimuli | None, vectors: GoldenVectors | None) -> None:
    """What does not depend on time, outside the timing windows: instructions where they count, outputs, accuracy.

    Counting has a process of its own: what else a process was given moves its memory, which a small net's
    count shows in its last digits.
    """
    job = job_of(one, suite)
    with _noting_failure(one):
        if board.counts_instructions:
            count = _run(board, one, dataclasses.replace(job, count=COUNTING)).count
            one.counts += [count] if count else []
        elif not board.keeps_time and not stimuli and not vectors:
            raise UsageError(f"{board.name} can only answer pictures, and {one.name} has none.", "--data names some")
        if not stimuli and not vectors:
            return
        test, images = stimuli.test if stimuli else None, str(vectors.images) if vectors else None
        outcome = _run(board, one, dataclasses.replace(job, accuracy=test, replay=images))
        one.accuracy = outcome.accuracy
        one.golden = _compared(outcome, vectors) if vectors and outcome.replay else None


def _time_whole(board: Board, one: Candidate, suite: Suite, stimuli: Stimuli) -> None:
    """An application's whole way, which needs Pillow there."""
    try:
        job = dataclasses.replace(job_of(one, suite), end_to_end=stimuli.pictures(suite))
        one.end_to_end = _run(board, one, job).end_to_end
    except MissingPackage as error:
        console.warn(f"No end-to-end time for {one.name}: {error.sentence}")


def _compared(outcome: Outcome, vectors: GoldenVectors) -> Golden:
    here = np.array(outcome.replay, dtype=vectors.outputs.dtype)
    found = dataclasses.asdict(selftest.compare(here, vectors.outputs.reshape(len(here), -1)))
    del found["sentence"]
    return Golden(**found)


def _causes(done: Sequence[Candidate], machine: Environment) -> dict[tuple[str, str], str]:
    """By file and runtime, why outputs differ from the golden ones, where weights and instruction set tell."""
    differing = [one for one in done if one.golden and one.golden.verdict != "identical"]
    known = {(one.name, one.runtime): saturation.cause(one.artifact.path, one.runtime, machine) for one in differing}
    return {key: cause for key, cause in known.items() if cause}


def _run(board: Board, one: Candidate, job: Job) -> Outcome:
    return Outcome() if one.error else board.run(job)


@contextlib.contextmanager
def _noting_failure(one: Candidate) -> Iterator[None]:
    try:
        yield
    except EdgecnnError as error:
        one.error = error
