"""The price of each try: its latency on the board, in fresh processes that take turns, or its instructions."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn import boards
from edgecnn.boards import Board
from edgecnn.common import console
from edgecnn.errors import MissingPackage, UsageError
from edgecnn.onboard import runtimes
from edgecnn.onboard.job import Counting, Job, Timing
from edgecnn.records.artifact import Artifact
from edgecnn.records.environment import Environment
from edgecnn.records.measurement import Count, Summary, Window
from edgecnn.records.summary import summarise

ROUNDS = 6
"""Fresh processes per file: the fewest whose median has a 95 % interval."""
TIMING = Timing(warmup_runs=20, num_runs=10, min_secs=0.05)
COUNTING = Counting(num_counts=10, least_instructions=1_000_000)


def require(board: str, runtime: str) -> Environment:
    """Check that the board can measure, before a long climb, and return its facts.

    Raises:
        MissingPackage: The board lacks the runtime.
        UsageError: The board neither keeps time nor counts instructions.
    """
    with boards.open_board(board) as machine:
        if not machine.keeps_time and not machine.counts_instructions:
            raise UsageError(
                f"The board {board!r} keeps no time and counts no instructions, so no file has a price there.",
                "--board emulated:pi4 counts; local and ssh://user@host keep time",
            )
        facts = machine.facts()
    package = runtimes.get(runtime).PACKAGE
    if package not in facts.packages:
        raise MissingPackage(package, None, f"Timing the rescue's files on {board}")
    return facts


def price(files: Sequence[Artifact], board: str, runtime: str) -> list[Summary]:
    """Measure one inference of each file on the board, with one thread."""
    windows: list[list[Window]] = [[] for _ in files]
    counts: list[list[Count]] = [[] for _ in files]
    with boards.open_board(board) as machine, console.progress("timing", ROUNDS * len(files)) as advance:
        for round_ in range(ROUNDS if machine.keeps_time else 1):  # counts are the same in every process
            for i in boards.in_turns(range(len(files)), round_):
                _measure(machine, files[i], runtime, windows[i], counts[i])
                advance(1)
    return [summarise(seen, None, None, counted) for seen, counted in zip(windows, counts, strict=True)]


def _measure(machine: Board, file: Artifact, runtime: str, windows: list[Window], counts: list[Count]) -> None:
    job = Job.for_artifact(
        file,
        runtime,
        window=TIMING if machine.keeps_time else None,
        count=None if machine.keeps_time else COUNTING,
    )
    outcome = machine.run(job)
    windows += [outcome.window] if outcome.window else []
    counts += [outcome.count] if outcome.count else []
