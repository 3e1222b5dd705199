"""Measure the cost of each operator of a graph by running the graph's prefixes against each other in one process.

The cost of an operator is that of the graph up to it, less that of the graph up to the one before. Two neighbours take
turns in short bursts, so that both see the same machine, and the difference is taken within a turn. The sum over all
operators is compared with the whole file, which is measured in the same process.
"""

from __future__ import annotations

import base64
import functools
import gc
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from edgecnn.common import scratch
from edgecnn.onboard import counters
from edgecnn.onboard.counters import Counter
from edgecnn.onboard.job import Lowered, Lowering, Prefixes, Steps
from edgecnn.onboard.runtimes import Runtime, Session

BURST_MS = 1.0
FEWEST_RUNS, MOST_RUNS = 5, 20
"""Bounds for the runs of a burst, which are as many as fit in BURST_MS."""
WARM_UP_RUNS = 2
"""Runs before a burst, for the neighbour has used the caches."""

Cost = Callable[[Session], float]


def lower(runtime: Runtime, model: Path, task: Lowering, num_threads: int, x: npt.NDArray[Any]) -> Lowered:
    """Return the graph that is executed here, and the runtime's own profile of it. Raises ModelFileError."""
    session = warmed(runtime, model, num_threads, x)
    times_ms = _burst(session, task.num_runs)
    with scratch.folder() as folder:
        lowered = Path(folder, model.name)
        runtime.lower(model, lowered)
        kernels = runtime.profile(lowered, num_threads, x, task.num_runs)
        return Lowered(model=base64.b64encode(lowered.read_bytes()).decode(), kernels=kernels, times_ms=times_ms)


def measure(runtime: Runtime, model: Path, prefixes: Prefixes, num_threads: int, x: npt.NDArray[Any]) -> Steps | None:
    """Measure all prefixes and the whole file.

    Returns:
        The costs, or None where instructions are asked for and the kernel lets nobody count.

    Raises:
        ModelFileError: The runtime refuses a prefix.
    """
    runtime.import_engine()
    if prefixes.unit == "ms":
        return _steps(runtime, model, prefixes, num_threads, x, timed)
    counter = counters.instructions()  # before the runtime starts its threads, so that they are counted too
    if counter is None:
        return None
    with counter:
        cost = functools.partial(counted, counter, prefixes.least_instructions)
        return _steps(runtime, model, prefixes, num_threads, x, cost)


def _steps(runtime: Runtime, model: Path, plan: Prefixes, num_threads: int, x: npt.NDArray[Any], cost: Cost) -> Steps:
    call, *paths = sorted(Path(plan.folder).iterdir())

    gc.collect()
    gc.disable()
    try:
        before = warmed(runtime, call, num_threads, x, lowered=True)
        differences = [tuple(cost(before) for _ in range(plan.passes))]
        for path in paths:
            session = warmed(runtime, path, num_threads, x, lowered=True)
            differences.append(tuple(-cost(before) + cost(session) for _ in range(plan.passes)))
            before = session
        file = warmed(runtime, model, num_threads, x)
        whole = tuple(cost(file) for _ in range(plan.passes))
    finally:
        gc.enable()
    return Steps(unit=plan.unit, differences=tuple(differences), whole=whole)


def warmed(runtime: Runtime, path: Path, num_threads: int, x: npt.NDArray[Any], lowered: bool = False) -> Session:
    """Open a model file and run it once. Raises ModelFileError."""
    session = runtime.open_session(path, num_threads, lowered)
    session.load(x)
    session.invoke()
    return session


def timed(session: Session) -> float:
    """Return the milliseconds of one run, the median of a burst."""
    *_, last_ms = _burst(session, WARM_UP_RUNS)
    runs = min(MOST_RUNS, max(FEWEST_RUNS, math.ceil(BURST_MS / last_ms)))
    return statistics.median(_burst(session, runs))


def _burst(session: Session, runs: int) -> tuple[float, ...]:
    """Return the milliseconds of each run of a burst."""
    invoke, clock = session.invoke, time.perf_counter_ns
    times_ns = []
    for _ in range(runs):
        before = clock()
        invoke()
        times_ns.append(clock() - before)
    return tuple(ns / 1e6 for ns in times_ns)


def counted(counter: Counter, least_instructions: int, session: Session) -> float:
    """Return the instructions of one run: the mean of several in a row, less what counting costs."""
    runs = math.ceil(least_instructions / counter.count(session.invoke))
    (empty,), (total,) = (counters.in_a_row(counter, step, runs, 1) for step in (_nothing, session.invoke))
    return (total - empty) / runs


def _nothing() -> None:
    """Do nothing: what this call costs is the cost of counting."""
