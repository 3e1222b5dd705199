"""The whole file on one thread, two, ... up to the cores: how far more threads still pay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edgecnn.common import stats
from edgecnn.pipeline.bench.profiling import rows
from edgecnn.pipeline.bench.profiling.results import Threads
from edgecnn.records.report import Window

ALL_UP_TO = 8
"""Every number of threads up to here, then doubled, and all cores."""
LEAST_GAIN_PERCENT = 5.0
"""A thread more that wins less than this is not worth its core."""


def counts(cores: int) -> tuple[int, ...]:
    """The numbers of threads to try."""
    found = {*range(1, min(cores, ALL_UP_TO) + 1), cores}
    more = 2 * ALL_UP_TO
    while more < cores:
        found.add(more)
        more *= 2
    return tuple(sorted(found))


def sweep(windows: Mapping[int, Sequence[Window]]) -> tuple[Threads, ...]:
    """What each number of threads takes; `windows` holds every round's, by number of threads."""
    return tuple(_threads(number, found) for number, found in sorted(windows.items()) if found)


def knee(swept: Iterable[Threads]) -> int | None:
    """The number of threads beyond which no more is won.

    More threads are better when they are quicker by LEAST_GAIN_PERCENT and the rounds tell it
    (`stats.ratio_interval`).
    """
    found: Threads | None = None
    for one in swept:
        if found is None or _is_quicker(one, found):
            found = one
    return found.num_threads if found else None


def _is_quicker(one: Threads, other: Threads) -> bool:
    ratio, low, _, _ = stats.ratio_interval(one.medians_ms, other.medians_ms)
    return ratio >= 1 + LEAST_GAIN_PERCENT / 100 and low > 1


def _threads(number: int, windows: Sequence[Window]) -> Threads:
    medians = tuple(stats.quantile(sorted(window.times_ms), 0.5) for window in windows)
    spent = rows.cost(medians)
    return Threads(num_threads=number, p50_ms=spent.p50, low_ms=spent.low, high_ms=spent.high, medians_ms=medians)
