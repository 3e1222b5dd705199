"""The conformance check of a board: its facts, and each job in a fresh process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgecnn import boards, formats
from edgecnn.onboard import runtimes
from edgecnn.onboard.job import Job, Timing
from edgecnn.records.foreign import assumed_preprocessing
from edgecnn.testing._asserting import require

QUICK = Timing(warmup_runs=1, num_runs=5, min_secs=0.0)


def tells_its_facts(name: str, model: Path) -> None:
    with boards.open_board(name) as board:
        require(board.name == name, f"{name} calls itself {board.name}")
        require(board.facts().cores >= 1, f"{name} has no core")


def does_a_job_in_a_fresh_process_each(name: str, model: Path) -> None:
    job = _job(model)
    with boards.open_board(name) as board:
        windows = [board.run(job).window for _ in range(2)]
    for window in windows:
        require(
            window is not None and len(window.times_ms) == QUICK.num_runs, f"{name} does not time what it is asked to"
        )
        require(window is not None and window.import_ms > 1, f"{name} had imported the runtime before the job")


def _job(model: Path) -> Job:
    description = formats.describe(model)
    return Job(
        model=str(model),
        runtime=runtimes.for_format(description.format)[0],
        num_threads=1,
        input=description.input,
        output=description.output,
        preprocessing=assumed_preprocessing(description.input),
        window=QUICK,
    )


CHECKS: tuple[Callable[[str, Path], None], ...] = (tells_its_facts, does_a_job_in_a_fresh_process_each)
