"""Latency of the whole file by number of threads, and how many threads pay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edgecnn.common import stats
from edgecnn.pipeline.bench.profiling import rows
from edgecnn.pipeline.bench.profiling.results import Threads
from edgecnn.records.measurement import Window

ALL_UP_TO = 8
"""Every number of threads up to this one is tried, then its doubles, and all cores."""
LEAST_GAIN_PERCENT = 5.0
"""The least gain for which more threads are worth their cores."""


def counts(cores: int) -> tuple[int, ...]:
    """Return the numbers of threads to try, ascending."""
    chosen = {*range(1, min(cores, ALL_UP_TO) + 1), cores}
    count = 2 * ALL_UP_TO
    while count < cores:
        chosen.add(count)
        count *= 2
    return tuple(sorted(chosen))


def sweep(windows: Mapping[int, Sequence[Window]]) -> tuple[Threads, ...]:
    """Return the latency for each number of threads.

    Args:
        windows: One window per round, by number of threads.
    """
    return tuple(_threads(num_threads, rounds) for num_threads, rounds in sorted(windows.items()) if rounds)


def knee(swept: Iterable[Threads]) -> int | None:
    """Return the number of threads beyond which more bring nothing; None if none was tried.

    More threads are better if they are quicker by LEAST_GAIN_PERCENT and the rounds can tell it
    (`stats.ratio_interval`).
    """
    best: Threads | None = None
    for threads in swept:
        if best is None or _is_quicker(threads, best):
            best = threads
    return best.num_threads if best else None


def _is_quicker(threads: Threads, other: Threads) -> bool:
    ratio, low, _, _ = stats.ratio_interval(threads.medians_ms, other.medians_ms)
    return ratio >= 1 + LEAST_GAIN_PERCENT / 100 and low > 1


def _threads(num_threads: int, windows: Sequence[Window]) -> Threads:
    medians = tuple(stats.quantile(sorted(window.times_ms), 0.5) for window in windows)
    spent = rows.cost(medians)
    return Threads(num_threads=num_threads, p50_ms=spent.p50, low_ms=spent.low, high_ms=spent.high, medians_ms=medians)
