"""Measuring profiles: the executed graph of each file, its prefixes in fresh processes that take turns, threads."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn import boards, formats
from edgecnn.boards import Board
from edgecnn.common import config, console, scratch
from edgecnn.common.escapes import say
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, UsageError
from edgecnn.formats import CODERS, MOVES, Operator
from edgecnn.onboard import runtimes
from edgecnn.onboard.job import Job, Lowering, Outcome, Prefixes, Timing, Unit
from edgecnn.pipeline.bench import candidates, validity
from edgecnn.pipeline.bench.candidates import Candidate, job_of
from edgecnn.pipeline.bench.profiling import advice, results, rows, show, slower_int8, threads
from edgecnn.pipeline.bench.profiling.results import Method, Profile, ProfileReport, Row, Total
from edgecnn.records.environment import Environment
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.report import Failure, Window
from edgecnn.records.run import reads_exports

PASSES = 9
"""Turns of two neighbours in one process."""
OWN_RUNS = 50
"""Runs under the runtime's own profiler in one process."""
OWN_MOST_OFF_PERCENT = 5.0
"""A profiler that costs more than this measures itself."""
PROCESSES_A_ROUND = 2
"""From twelve processes on an interval leaves out the two furthest on either side (`stats.median_interval`)."""
LEAST_INSTRUCTIONS = 300_000
COUNTED_PASSES = 2
"""Counts repeat to a thousandth, so a few are enough, in one round."""


@dataclass
class Taken:
    """One candidate, and what has been measured of it so far."""

    candidate: Candidate
    unit: Unit
    operators: tuple[Operator, ...] = ()
    prefixes: Prefixes | None = None
    method: Method = "prefixes"
    reason: str = ""
    own_sum: float | None = None
    steps: list[list[Sequence[float]]] = field(default_factory=list)
    """[round][step][pass]; the call first."""
    whole: list[float] = field(default_factory=list)
    windows: dict[int, list[Window]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.candidate.name


@reads_exports
def profile(
    targets: Sequence[Path],
    suite: Suite,
    data: DataPlan | None = None,
    output: Path | None = None,
    pictures: PictureOptions | None = None,
) -> tuple[ProfileReport, Path | None]:
    """Profile all targets' files; returns the report with the path of its JSON, beside a bench's.

    Targets, `output` and `pictures` are those of `bench`. A board that keeps no time counts instructions instead.
    A file whose parts do not add up has no rows, and the reason.

    Raises what `bench` raises: UsageError before anything is measured, OutputError, and when no file
    at all could be measured, what the first one raised.
    """
    found = _readable(candidates.find(targets, suite, data, pictures))
    path = candidates.destination(targets, suite, output, "-profile")
    with candidates.alone(path, output), boards.open_board(suite.board) as board, scratch.folder() as work:
        if not board.keeps_time and not board.counts_instructions:
            raise _no_cost()
        machine = board.facts()
        unit: Unit = "ms" if board.keeps_time else "instructions"
        taken = [Taken(one, unit) for one in candidates.installed(found, machine, suite)]
        rounds = suite.rounds if board.keeps_time else 1
        numbers = threads.counts(machine.cores) if board.keeps_time else ()
        with console.progress("profiling", len(taken) * (1 + rounds * (PROCESSES_A_ROUND + len(numbers)))) as advance:
            for place, one in enumerate(taken):
                _lower(board, one, suite, work / str(place))
                advance(1)
            for round_ in range(rounds):
                for half in range(PROCESSES_A_ROUND):
                    for one in boards.in_turns(taken, PROCESSES_A_ROUND * round_ + half):
                        _step(board, one, suite)
                        advance(1)
                for number in boards.in_turns(numbers, round_):
                    for one in boards.in_turns(taken, round_):
                        _time(board, one, suite, number)
                        advance(1)
    done = [one for one in taken if one.candidate.error is None]
    if not done:
        raise next(one.candidate.error for one in taken if one.candidate.error)
    report = ProfileReport(
        board=board.name,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=candidates.command(targets, suite, data, "--profile", *(pictures.words() if pictures else ())),
        environment=machine,
        suite=config.table_of(suite),
        profiles=slower_int8.explained([_profile(one, suite, machine) for one in done], machine.arch),
        failures=tuple(
            Failure(file=one.name, runtime=one.candidate.runtime, sentence=error.sentence, hint=error.hint)
            for one in taken
            if (error := one.candidate.error)
        ),
    )
    if path:
        results.write(report, path)
    return report, path


def main(
    targets: Sequence[Path],
    suite: Suite,
    data: DataPlan | None = None,
    output: Path | None = None,
    as_json: bool = False,
    pictures: PictureOptions | None = None,
) -> None:
    """Profile, print and write: what `edgecnn bench --profile` does. Raises EnvironmentUnfit for a file that failed."""
    report, path = profile(targets, suite, data, output, pictures)
    if as_json:
        say(results.to_json(report), end="")
    else:
        show.show(report)
    if path:
        console.note(f"{path} holds every operator and round")
    if report.failures:
        first = report.failures[0]
        raise EnvironmentUnfit(f"{first.file} on {first.runtime}: {first.sentence}", first.hint)


def _readable(found: Sequence[Candidate]) -> list[Candidate]:
    """Those whose operators can be told apart; the others are named and passed over."""
    kept = [one for one in found if formats.get(one.artifact.description.format).OPERATORS is not None]
    rest = [one.name for one in found if one not in kept]
    if rest and not kept:
        known = ", ".join(name for name in formats.names() if formats.get(name).OPERATORS is not None)
        raise UsageError(f"{', '.join(rest)}: of this format no operators can be told apart.", f"of {known}")
    if rest:
        console.warn(f"Passed over, for of this format no operators can be told apart: {', '.join(rest)}.")
    return kept


def _lower(board: Board, one: Taken, suite: Suite, folder: Path) -> None:
    """What is executed there, cut into prefixes; and by what method its operators are told apart."""
    with _noting_failure(one):
        lowering = Lowering(num_runs=OWN_RUNS if one.unit == "ms" else 1)
        found = _run(board, one, dataclasses.replace(job_of(one.candidate, suite), lower=lowering))
        if found.lowered is None:
            return
        data = base64.b64decode(found.lowered.model)
        reader = formats.get(one.candidate.artifact.description.format).OPERATORS
        assert reader is not None  # `_readable` has seen to it
        told = {kernel.place: list(zip(kernel.dtypes, kernel.shapes, strict=True)) for kernel in found.lowered.kernels}
        one.operators = reader.read(data, told, one.candidate.artifact.description.input.shape)
        folder.mkdir()
        suffix = one.candidate.artifact.path.suffix
        for place, prefix in enumerate(reader.prefixes(data)):
            (folder / f"{place:05d}{suffix}").write_bytes(prefix)
        one.prefixes = Prefixes(
            folder=str(folder),
            passes=PASSES if one.unit == "ms" else COUNTED_PASSES,
            unit=one.unit,
            least_instructions=LEAST_INSTRUCTIONS,
        )
        if one.unit == "ms" and found.lowered.kernels:
            kernels, plain_ms = found.lowered.kernels, min(found.lowered.times_ms)
            one.own_sum = sum(statistics.median(kernel.times_ms) for kernel in kernels)
            # The least of many runs is what a loaded machine changes least.
            one.method, one.reason = method(sum(min(kernel.times_ms) for kernel in kernels), plain_ms)
        elif one.unit == "ms":
            one.reason = f"{one.candidate.runtime} has no profiler of its own"
        else:
            one.reason = "the board keeps no time, so instructions are counted"


def method(own_sum_ms: float, plain_ms: float) -> tuple[Method, str]:
    """The runtime's own profiler where it adds up to the time without it; prefixes where it measures itself."""
    percent = 100 * (own_sum_ms / plain_ms - 1)
    words = f"the sum of its own profiler is off the time without it by {percent:+.0f} %"
    return ("own profile", words) if abs(percent) <= OWN_MOST_OFF_PERCENT else ("prefixes", words)


def _step(board: Board, one: Taken, suite: Suite) -> None:
    """One more round, in a fresh process."""
    with _noting_failure(one):
        job = job_of(one.candidate, suite)
        if one.method == "own profile":
            lowered = _run(board, one, dataclasses.replace(job, lower=Lowering(num_runs=OWN_RUNS))).lowered
            if lowered:
                times = {kernel.place: kernel.times_ms for kernel in lowered.kernels}
                one.steps.append([(0.0,), *(times.get(place, (0.0,)) for place in range(len(one.operators)))])
                one.whole.append(statistics.median(lowered.times_ms))
            return
        steps = _run(board, one, dataclasses.replace(job, prefixes=one.prefixes)).steps
        if steps:
            one.steps.append(list(steps.differences))
            one.whole.append(statistics.median(steps.whole))
        elif not one.candidate.error:
            raise _no_cost()


def _no_cost() -> EnvironmentUnfit:
    return EnvironmentUnfit(
        "The board keeps no time and counts no instructions: no operator has a cost.",
        "--board emulated:pi4 counts; local and ssh://user@host keep time",
    )


def _time(board: Board, one: Taken, suite: Suite, number: int) -> None:
    timing = Timing(
        warmup_runs=suite.warmup_runs,
        num_runs=-(-suite.num_runs // suite.rounds),
        min_secs=suite.min_secs / suite.rounds,
    )
    with _noting_failure(one):
        job = dataclasses.replace(job_of(one.candidate, suite), num_threads=number, window=timing)
        window = _run(board, one, job).window
        if window:
            one.windows.setdefault(number, []).append(window)


def _profile(one: Taken, suite: Suite, machine: Environment) -> Profile:
    description = one.candidate.artifact.description
    call, *samples = rows.per_round(one.steps)
    totals = [sum(round_) for round_ in zip(call, *samples, strict=True)]
    off_percent = rows.fit(totals, one.whole)
    misfit = rows.misfit(off_percent)
    table = () if misfit else rows.rows(one.operators, samples, call)
    swept = threads.sweep(one.windows)
    found = Profile(
        file=one.name,
        run=one.candidate.artifact.run,
        sha256=description.sha256,
        format=description.format,
        precision=description.precision,
        target=one.candidate.artifact.target,
        input_dtype=description.input.dtype,
        runtime=one.candidate.runtime,
        runtime_version=machine.packages[runtimes.get(one.candidate.runtime).PACKAGE],
        num_threads=suite.num_threads,
        method="not available" if misfit else one.method,
        reason=misfit or one.reason,
        unit=one.unit,
        rounds=len(one.steps),
        runs=OWN_RUNS if one.method == "own profile" else len(one.steps[0][0]),
        whole=rows.cost(one.whole),
        sum=rows.cost(totals),
        off_percent=off_percent,
        own_sum=one.own_sum,
        call=rows.cost(call) if one.method == "prefixes" and not misfit else None,
        rows=table,
        moves=together(one.operators, table, MOVES),
        coders=together(one.operators, table, CODERS),
        threads=swept,
        knee=threads.knee(swept),
        validity=validity.judge(one.windows.get(suite.num_threads, [])),
        advice=(),
    )
    return dataclasses.replace(found, advice=advice.advice(found))


def together(parts: Sequence[Operator], table: Sequence[Row], kinds: Sequence[str]) -> Total:
    """The operators of some kinds, and what their rows cost."""
    return Total(
        operators=sum(one.kind in kinds for one in parts),
        cost=rows.together([row for row in table if set(row.kinds) <= set(kinds)]),
    )


def _run(board: Board, one: Taken, job: Job) -> Outcome:
    return Outcome() if one.candidate.error else board.run(job)


@contextlib.contextmanager
def _noting_failure(one: Taken) -> Iterator[None]:
    try:
        yield
    except EdgecnnError as error:
        one.candidate.error = error
