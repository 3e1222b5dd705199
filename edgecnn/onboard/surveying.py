"""Many model files measured in one process: each counted in turn, or all timed in turns."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from edgecnn.onboard import counters
from edgecnn.onboard.job import FileSurvey
from edgecnn.onboard.operator_cost import counted, timed, warmed
from edgecnn.onboard.runtimes import Runtime, Session


def measure(
    runtime: Runtime, survey: FileSurvey, inputs: Sequence[npt.NDArray[Any]], num_threads: int
) -> tuple[tuple[float, ...], ...]:
    """Measure every file of a survey.

    Args:
        runtime: The runtime that runs them.
        survey: The files, and what is asked for.
        inputs: The input of each file, in the order of their names.
        num_threads: The runtime's threads.

    Returns:
        [file][pass]: milliseconds or instructions of one run; empty where the kernel lets nobody count.

    Raises:
        ModelFileError: The runtime refuses a file.
    """
    runtime.import_engine()
    paths = sorted(Path(survey.folder).iterdir())

    gc.collect()
    gc.disable()
    try:
        if survey.unit == "ms":
            sessions = [warmed(runtime, path, num_threads, x) for path, x in zip(paths, inputs, strict=True)]
            passes = [[timed(session) for session in sessions] for _ in range(survey.passes)]
            return tuple(zip(*passes, strict=True))
        counter = counters.instructions()  # before the runtime starts its threads, so that they are counted too
        if counter is None:
            return ()
        with counter:
            return tuple(
                _counts(counter, warmed(runtime, path, num_threads, x), survey)
                for path, x in zip(paths, inputs, strict=True)
            )
    finally:
        gc.enable()


def _counts(counter: counters.Counter, session: Session, survey: FileSurvey) -> tuple[float, ...]:
    return tuple(counted(counter, survey.least_instructions, session) for _ in range(survey.passes))
