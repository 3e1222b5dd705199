"""`edgecnn bench`: measures every file on every runtime that reads it, in fresh processes that take turns."""

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
from edgecnn.records.measurement import Golden, Measurement
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.report import Failure, Report
from edgecnn.records.run import reads_exports
from edgecnn.records.summary import medians_ms

COUNTING = Counting(num_counts=10, least_instructions=1_000_000)
"""Repeated counts differ by less than a thousandth, so a few are enough."""


@reads_exports
def bench(
    targets: Sequence[Path],
    suite: Suite,
    data: DataPlan | None = None,
    output: Path | None = None,
    pictures: PictureOptions | None = None,
) -> Report:
    """Measure all targets and write the report.

    Args:
        targets: Run folders, of which all files are measured, or model files of any make.
        suite: What is measured, on which board, and how often.
        data: The data set to score on; None takes each run's own, and loose files are then not scored.
        pictures: How images are fed, where it differs from what a file says of itself.
        output: File or folder for the report; None takes bench/ in the run or in the runs' parent, and writes
            nothing for loose files.

    Returns:
        The report, whose `path` is that of its JSON. The gates are held by `judge`.

    Raises:
        UsageError: If a target cannot be measured; nothing is measured then.
        OutputError: If the output cannot be written.
        EdgecnnError: The first candidate's error, if no candidate could be measured.
    """
    ready = candidates.find(targets, suite, data, pictures)
    path = candidates.destination(targets, suite, output)
    with candidates.alone(path, output), boards.open_board(suite.board) as board, scratch.folder() as work:
        machine = board.facts()
        ready = candidates.installed(ready, machine, suite)
        shelf = Shelf(work, suite.limit, suite.only_unseen)
        all_stimuli = [shelf.take(c.data, c.artifact, c.runs) if c.data else None for c in ready]
        all_vectors = [golden_vectors(c.artifact, work) for c in ready]
        rounds = suite.rounds if board.keeps_time else 0  # instruction counts repeat, so more rounds add nothing
        with console.progress("measuring", (rounds + 2) * len(ready)) as advance:
            for round_ in range(rounds):
                for candidate in boards.in_turns(ready, round_):
                    _time(board, candidate, suite)
                    advance(1)
            for candidate, stimuli, vectors in zip(ready, all_stimuli, all_vectors, strict=True):
                score(board, candidate, suite, stimuli, vectors)
                if stimuli and board.keeps_time:
                    _time_whole(board, candidate, suite, stimuli)
                advance(2)
    # A lost link is not the fault of the file: keep what was measured before, beside the failure.
    done = [c for c in ready if c.error is None or (isinstance(c.error, LinkError) and c.has_begun)]
    if not done:
        raise next(c.error for c in ready if c.error)
    measurements = tuple(candidates.measurement(c, suite, machine) for c in done)
    result = Report(
        board=board.name,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=candidates.command(targets, suite, data, *(pictures.words() if pictures else ())),
        environment=machine,
        suite=config.table_of(suite),
        measurements=measurements,
        failures=tuple(
            Failure(file=c.name, runtime=c.runtime, sentence=c.error.sentence, hint=c.error.hint)
            for c in ready
            if c.error
        ),
        warnings=report_warnings.warnings(measurements, machine.arch, _causes(done, machine)),
        gates=hold(measurements, suite),
        path=path,
    )
    if path:
        report.write(result, path)
        show.write_markdown(result, path.with_suffix(".md"))
    return result


def judge(result: Report, suite: Suite, strict: bool = False) -> None:
    """Hold the gates of the suite, after the report was written and shown.

    Raises:
        EnvironmentUnfit: If a measurement is INVALID, so that no gate can be held, or a file could not be measured.
        GateFailed: If measurements are beyond doubt over `max_ms` or under `min_acc`, or lack what a gate is about;
            it names all of them.
        Undecided: If `strict` and an interval contains the limit; without `strict` that is a warning.
    """
    invalid = [m for m in result.measurements if m.validity.verdict == "INVALID"]
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
    """Return the outcome of each gate for each measurement that is not INVALID, decided by its interval."""
    valid = [m for m in measurements if m.validity.verdict != "INVALID"]
    of_latency = [_hold_latency(m, suite.max_ms) for m in valid if suite.max_ms is not None]
    of_accuracy = [_hold_accuracy(m, suite.min_acc) for m in valid if suite.min_acc is not None]
    return (*of_latency, *of_accuracy)


def _hold_latency(measurement: Measurement, max_ms: float) -> Gate:
    name, medians = f"{measurement.file} on {measurement.runtime}", medians_ms(measurement.windows)
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


def _hold_accuracy(measurement: Measurement, min_acc: float) -> Gate:
    name, scored = f"{measurement.file} on {measurement.runtime}", measurement.accuracy
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


def _time(board: Board, candidate: Candidate, suite: Suite) -> None:
    """Time one more window of a candidate, unless it has failed before."""
    timing = Timing(
        warmup_runs=suite.warmup_runs,
        num_runs=-(-suite.num_runs // suite.rounds),
        min_secs=suite.min_secs / suite.rounds,
    )
    with _noting_failure(candidate):
        window = _run(board, candidate, dataclasses.replace(job_of(candidate, suite), window=timing)).window
        if window:
            candidate.windows.append(window)


def score(
    board: Board, candidate: Candidate, suite: Suite, stimuli: Stimuli | None, vectors: GoldenVectors | None
) -> None:
    """Measure what needs no clock: instructions where the board counts them, golden outputs, accuracy.

    Instructions are counted in a process of their own: other parts of a job move its memory, which shows in the last
    digits of a small net's count.

    Args:
        board: Where it runs.
        candidate: What is measured; it takes up the results, or the error.
        suite: The suite of the bench.
        stimuli: Test images to score on; None measures no accuracy.
        vectors: Golden vectors to replay; None compares no outputs.
    """
    job = job_of(candidate, suite)
    with _noting_failure(candidate):
        if board.counts_instructions:
            count = _run(board, candidate, dataclasses.replace(job, count=COUNTING)).count
            candidate.counts += [count] if count else []
        elif not board.keeps_time and not stimuli and not vectors:
            raise UsageError(
                f"{board.name} can only answer pictures, and {candidate.name} has none.", "--data names some"
            )
        if not stimuli and not vectors:
            return
        test, images = stimuli.test if stimuli else None, str(vectors.images) if vectors else None
        outcome = _run(board, candidate, dataclasses.replace(job, accuracy=test, replay=images))
        candidate.accuracy = outcome.accuracy
        candidate.golden = _compared(outcome, vectors) if vectors and outcome.replay else None


def _time_whole(board: Board, candidate: Candidate, suite: Suite, stimuli: Stimuli) -> None:
    """Time an application's whole way from file to class, which needs Pillow on the board.

    The files are pictures, so a model of sounds has no such time.
    """
    if candidate.artifact.sound is not None:
        return
    try:
        job = dataclasses.replace(job_of(candidate, suite), end_to_end=stimuli.pictures(suite))
        candidate.end_to_end = _run(board, candidate, job).end_to_end
    except MissingPackage as error:
        console.warn(f"No end-to-end time for {candidate.name}: {error.sentence}")


def _compared(outcome: Outcome, vectors: GoldenVectors) -> Golden:
    outputs = np.array(outcome.replay, dtype=vectors.outputs.dtype)
    comparison = dataclasses.asdict(selftest.compare(outputs, vectors.outputs.reshape(len(outputs), -1)))
    del comparison["sentence"]
    return Golden(**comparison)


def _causes(done: Sequence[Candidate], machine: Environment) -> dict[tuple[str, str], str]:
    """Return why outputs differ from the golden ones, by (file, runtime), as far as weights and CPU tell it."""
    differing = [c for c in done if c.golden and c.golden.verdict != "identical"]
    known = {(c.name, c.runtime): saturation.cause(c.artifact.path, c.runtime, machine) for c in differing}
    return {key: cause for key, cause in known.items() if cause}


def _run(board: Board, candidate: Candidate, job: Job) -> Outcome:
    return Outcome() if candidate.error else board.run(job)


@contextlib.contextmanager
def _noting_failure(candidate: Candidate) -> Iterator[None]:
    try:
        yield
    except EdgecnnError as error:
        candidate.error = error
