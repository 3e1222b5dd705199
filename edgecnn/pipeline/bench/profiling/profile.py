"""Measures profiles: the executed graph of each file, its prefixes in fresh processes that take turns, threads."""

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
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, UsageError
from edgecnn.formats import CODERS, MOVES, Operator
from edgecnn.onboard import runtimes
from edgecnn.onboard.job import Job, Lowering, Outcome, Prefixes, Timing, Unit
from edgecnn.pipeline.bench import candidates, validity
from edgecnn.pipeline.bench.candidates import Candidate, job_of
from edgecnn.pipeline.bench.profiling import advice, results, rows, slower_int8, threads
from edgecnn.pipeline.bench.profiling.results import Method, Profile, ProfileReport, ProfileRow, Total
from edgecnn.records.environment import Environment
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.measurement import Window
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.report import Failure
from edgecnn.records.run import reads_exports

PASSES = 9
"""How often two neighbouring prefixes take turns in one process."""
OWN_RUNS = 50
"""How many runs in one process are taken under the runtime's own profiler."""
OWN_MOST_OFF_PERCENT = 5.0
"""How far the sum of the runtime's own profiler may be off the time without it."""
PROCESSES_A_ROUND = 2
"""With six rounds these make twelve processes, whose interval drops two outliers a side (`stats.median_interval`)."""
LEAST_INSTRUCTIONS = 300_000  # in one count
COUNTED_PASSES = 2
"""How often instructions are counted; they repeat to a thousandth, so a few in one round are enough."""


@dataclass
class ProfileRun:
    """A candidate and what has been measured of it so far."""

    candidate: Candidate
    unit: Unit
    operators: tuple[Operator, ...] = ()
    prefixes: Prefixes | None = None
    method: Method = "prefixes"
    reason: str = ""
    own_sum: float | None = None  # ms
    steps: list[list[Sequence[float]]] = field(default_factory=list)
    """Costs by [round][step][pass]; the first step is the call of an empty graph."""
    whole: list[float] = field(default_factory=list)
    """Cost of the whole file, by round."""
    windows: dict[int, list[Window]] = field(default_factory=dict)
    """Windows by number of threads."""

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
) -> ProfileReport:
    """Profile all files of the targets; a board that keeps no time counts instructions instead.

    The arguments and the errors raised are those of `bench`; a default file name ends in -profile.

    Returns:
        The report, whose `path` is that of its JSON. A file whose parts do not add up has a reason instead of rows.
    """
    readable = _readable(candidates.find(targets, suite, data, pictures))
    path = candidates.destination(targets, suite, output, "-profile")
    with candidates.alone(path, output), boards.open_board(suite.board) as board, scratch.folder() as work:
        if not board.keeps_time and not board.counts_instructions:
            raise _no_cost()
        machine = board.facts()
        unit: Unit = "ms" if board.keeps_time else "instructions"
        all_profiled = [ProfileRun(candidate, unit) for candidate in candidates.installed(readable, machine, suite)]
        rounds = suite.rounds if board.keeps_time else 1
        thread_counts = threads.counts(machine.cores) if board.keeps_time else ()
        processes = 1 + rounds * (PROCESSES_A_ROUND + len(thread_counts))
        with console.progress("profiling", len(all_profiled) * processes) as advance:
            for index, profiled in enumerate(all_profiled):
                _lower(board, profiled, suite, work / str(index))
                advance(1)
            for round_ in range(rounds):
                for process in range(PROCESSES_A_ROUND):
                    for profiled in boards.in_turns(all_profiled, PROCESSES_A_ROUND * round_ + process):
                        _step(board, profiled, suite)
                        advance(1)
                for num_threads in boards.in_turns(thread_counts, round_):
                    for profiled in boards.in_turns(all_profiled, round_):
                        _time(board, profiled, suite, num_threads)
                        advance(1)
    done = [p for p in all_profiled if p.candidate.error is None]
    if not done:
        raise next(p.candidate.error for p in all_profiled if p.candidate.error)
    report = ProfileReport(
        board=board.name,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=candidates.command(targets, suite, data, "--profile", *(pictures.words() if pictures else ())),
        environment=machine,
        suite=config.table_of(suite),
        profiles=slower_int8.explained([_profile(p, suite, machine) for p in done], machine.arch),
        failures=tuple(
            Failure(file=p.name, runtime=p.candidate.runtime, sentence=error.sentence, hint=error.hint)
            for p in all_profiled
            if (error := p.candidate.error)
        ),
        path=path,
    )
    if path:
        results.write(report, path)
    return report


def judge(report: ProfileReport) -> None:
    """Raise EnvironmentUnfit if a file could not be measured, after the report was written and shown."""
    if report.failures:
        first = report.failures[0]
        raise EnvironmentUnfit(f"{first.file} on {first.runtime}: {first.sentence}", first.hint)


def _readable(all_candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates whose operators can be told apart, and warn of the others."""
    readable = [c for c in all_candidates if formats.get(c.artifact.description.format).OPERATORS is not None]
    passed_over = [c.name for c in all_candidates if c not in readable]
    if passed_over and not readable:
        known = ", ".join(name for name in formats.names() if formats.get(name).OPERATORS is not None)
        raise UsageError(f"{', '.join(passed_over)}: of this format no operators can be told apart.", f"of {known}")
    if passed_over:
        console.warn(f"Passed over, for of this format no operators can be told apart: {', '.join(passed_over)}.")
    return readable


def _lower(board: Board, profiled: ProfileRun, suite: Suite, folder: Path) -> None:
    """Cut the graph that the board executes into prefixes, and choose the method that tells operators apart."""
    with _noting_failure(profiled):
        lowering = Lowering(num_runs=OWN_RUNS if profiled.unit == "ms" else 1)
        outcome = _run(board, profiled, dataclasses.replace(job_of(profiled.candidate, suite), lower=lowering))
        if outcome.lowered is None:
            return
        data = base64.b64decode(outcome.lowered.model)
        reader = formats.get(profiled.candidate.artifact.description.format).OPERATORS
        assert reader is not None  # `_readable` leaves no other
        kernels = outcome.lowered.kernels
        outputs = {kernel.place: list(zip(kernel.dtypes, kernel.shapes, strict=True)) for kernel in kernels}
        profiled.operators = reader.read(data, outputs, profiled.candidate.artifact.description.input.shape)
        folder.mkdir()
        suffix = profiled.candidate.artifact.path.suffix
        for place, prefix in enumerate(reader.prefixes(data)):
            (folder / f"{place:05d}{suffix}").write_bytes(prefix)
        profiled.prefixes = Prefixes(
            folder=str(folder),
            passes=PASSES if profiled.unit == "ms" else COUNTED_PASSES,
            unit=profiled.unit,
            least_instructions=LEAST_INSTRUCTIONS,
        )
        if profiled.unit == "ms" and kernels:
            plain_ms = min(outcome.lowered.times_ms)
            profiled.own_sum = sum(statistics.median(kernel.times_ms) for kernel in kernels)
            # A loaded machine changes the minimum of many runs least.
            profiled.method, profiled.reason = method(sum(min(kernel.times_ms) for kernel in kernels), plain_ms)
        elif profiled.unit == "ms":
            profiled.reason = f"{profiled.candidate.runtime} has no profiler of its own"
        else:
            profiled.reason = "the board keeps no time, so instructions are counted"


def method(own_sum_ms: float, plain_ms: float) -> tuple[Method, str]:
    """Return (method, reason): the runtime's own profiler if its sum is near the time without it, or else prefixes."""
    percent = 100 * (own_sum_ms / plain_ms - 1)
    words = f"the sum of its own profiler is off the time without it by {percent:+.0f} %"
    return ("own profile", words) if abs(percent) <= OWN_MOST_OFF_PERCENT else ("prefixes", words)


def _step(board: Board, profiled: ProfileRun, suite: Suite) -> None:
    """Measure one more round of steps, in a fresh process."""
    with _noting_failure(profiled):
        job = job_of(profiled.candidate, suite)
        if profiled.method == "own profile":
            lowered = _run(board, profiled, dataclasses.replace(job, lower=Lowering(num_runs=OWN_RUNS))).lowered
            if lowered:
                times = {kernel.place: kernel.times_ms for kernel in lowered.kernels}
                profiled.steps.append([(0.0,), *(times.get(place, (0.0,)) for place in range(len(profiled.operators)))])
                profiled.whole.append(statistics.median(lowered.times_ms))
            return
        steps = _run(board, profiled, dataclasses.replace(job, prefixes=profiled.prefixes)).steps
        if steps:
            profiled.steps.append(list(steps.differences))
            profiled.whole.append(statistics.median(steps.whole))
        elif not profiled.candidate.error:
            raise _no_cost()


def _no_cost() -> EnvironmentUnfit:
    return EnvironmentUnfit(
        "The board keeps no time and counts no instructions: no operator has a cost.",
        "--board emulated:pi4 counts; local and ssh://user@host keep time",
    )


def _time(board: Board, profiled: ProfileRun, suite: Suite, num_threads: int) -> None:
    timing = Timing(
        warmup_runs=suite.warmup_runs,
        num_runs=-(-suite.num_runs // suite.rounds),
        min_secs=suite.min_secs / suite.rounds,
    )
    with _noting_failure(profiled):
        job = dataclasses.replace(job_of(profiled.candidate, suite), num_threads=num_threads, window=timing)
        window = _run(board, profiled, job).window
        if window:
            profiled.windows.setdefault(num_threads, []).append(window)


def _profile(profiled: ProfileRun, suite: Suite, machine: Environment) -> Profile:
    description = profiled.candidate.artifact.description
    call, *samples = rows.per_round(profiled.steps)
    totals = [sum(round_) for round_ in zip(call, *samples, strict=True)]
    off_percent = rows.fit(totals, profiled.whole)
    misfit = rows.misfit(off_percent)
    table = () if misfit else rows.rows(profiled.operators, samples, call)
    swept = threads.sweep(profiled.windows)
    result = Profile(
        file=profiled.name,
        run=profiled.candidate.artifact.run,
        sha256=description.sha256,
        format=description.format,
        precision=description.precision,
        target=profiled.candidate.artifact.target,
        input_dtype=description.input.dtype,
        runtime=profiled.candidate.runtime,
        runtime_version=machine.packages[runtimes.get(profiled.candidate.runtime).PACKAGE],
        num_threads=suite.num_threads,
        method="not available" if misfit else profiled.method,
        reason=misfit or profiled.reason,
        unit=profiled.unit,
        rounds=len(profiled.steps),
        runs=OWN_RUNS if profiled.method == "own profile" else len(profiled.steps[0][0]),
        whole=rows.cost(profiled.whole),
        sum=rows.cost(totals),
        off_percent=off_percent,
        own_sum=profiled.own_sum,
        call=rows.cost(call) if profiled.method == "prefixes" and not misfit else None,
        rows=table,
        moves=together(profiled.operators, table, MOVES),
        coders=together(profiled.operators, table, CODERS),
        threads=swept,
        knee=threads.knee(swept),
        validity=validity.judge(profiled.windows.get(suite.num_threads, [])),
        advice=(),
    )
    return dataclasses.replace(result, advice=advice.advice(result))


def together(operators: Sequence[Operator], table: Sequence[ProfileRow], kinds: Sequence[str]) -> Total:
    """Return how many operators are of some kinds, and what the rows with only those kinds cost."""
    return Total(
        operators=sum(operator.kind in kinds for operator in operators),
        cost=rows.together([row for row in table if set(row.kinds) <= set(kinds)]),
    )


def _run(board: Board, profiled: ProfileRun, job: Job) -> Outcome:
    return Outcome() if profiled.candidate.error else board.run(job)


@contextlib.contextmanager
def _noting_failure(profiled: ProfileRun) -> Iterator[None]:
    try:
        yield
    except EdgecnnError as error:
        profiled.candidate.error = error
