"""Whether a machine was fit while it measured: VALID, DEGRADED or INVALID, and why, from the windows alone.

INVALID: the firmware limited the machine (under-voltage, a capped clock, throttling), or the clock fell
far below what it was in another window. The number then describes the power supply or the heat, not the
net. DEGRADED: something was in the way, and the number is an upper bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgecnn.common import stats
from edgecnn.common.units import duration
from edgecnn.records.report import Validity, Window
from edgecnn.records.throttling import WORDS, Throttling

DEGRADED_CLOCK_PERCENT = 5.0
INVALID_CLOCK_PERCENT = 30.0
"""By how much the clock may fall below the highest after any window; a Pi halves it when it throttles."""
FOREIGN_CORES = 0.1
"""Cores kept busy by other programs, on the mean of the windows."""
STOLEN_CORES = 0.02
TICK_S = 0.01
"""What the kernel counts busy time in, USER_HZ (proc(5)): it charges a whole tick to whoever runs when one is over."""
SLOWER_PERCENT = 5.0
"""Of the last third of the rounds against the first round: burst and steady state are then two numbers."""
SOFT_LIMIT = WORDS[3]
"""At the soft temperature limit a Pi lowers its clock a little, and says so."""


def judge(windows: Sequence[Window]) -> Validity:
    """The verdict on one measurement's windows; without windows there is nothing to doubt."""
    invalid = [*_limited(windows), *_fallen_clock(windows, INVALID_CLOCK_PERCENT)]
    degraded = [*_warm(windows), *_fallen_clock(windows, DEGRADED_CLOCK_PERCENT), *_disturbed(windows)]
    degraded += _slower_when_steady(windows)
    if invalid:
        return Validity(verdict="INVALID", reasons=tuple(invalid))
    return Validity(verdict="DEGRADED" if degraded else "VALID", reasons=tuple(degraded))


def _limited(windows: Sequence[Window]) -> Iterator[str]:
    for number, words in _states(windows):
        hard = [word for word in words if word != SOFT_LIMIT]
        if hard:
            yield f"{' and '.join(hard)} in window {number}"


def _warm(windows: Sequence[Window]) -> Iterator[str]:
    for number, words in _states(windows):
        if SOFT_LIMIT in words:
            yield f"{SOFT_LIMIT} in window {number}"


def _states(windows: Sequence[Window]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(number from 1, what limited the machine before, in or after the window) where the firmware tells."""
    for number, window in enumerate(windows, 1):
        if window.before.throttled is None or window.after.throttled is None:
            continue
        before, after = Throttling(window.before.throttled), Throttling(window.after.throttled)
        seen = {*before.now(), *after.began_after(before)}
        yield number, tuple(word for word in WORDS if word in seen)


def _fallen_clock(windows: Sequence[Window], percent: float) -> Iterator[str]:
    # After a window the core has worked; before it, it may have slept at its lowest clock.
    clocks = [(number, window.after.frequency_mhz) for number, window in enumerate(windows, 1)]
    known = [(number, mhz) for number, mhz in clocks if mhz]
    highest = max((mhz for _, mhz in known), default=0.0)
    low = [(number, mhz) for number, mhz in known if mhz < highest * (1 - percent / 100)]
    if low:
        number, mhz = min(low, key=lambda one: one[1])
        yield f"the clock fell from {highest:.0f} to {mhz:.0f} MHz in window {number}"


def disturbance(windows: Sequence[Window]) -> tuple[float, float] | None:
    """(cores other programs kept busy, cores a hypervisor took), on the mean of the windows; None if unknown.

    Up to a tick a window is called none: a window of a few milliseconds can be charged a tick that was its own.
    """
    foreign_s = steal_s = elapsed_s = 0.0
    for window in windows:
        before, after = window.before, window.after
        if before.busy_s is None or after.busy_s is None or before.steal_s is None or after.steal_s is None:
            return None
        foreign_s += after.busy_s - before.busy_s - window.process_cpu_s
        steal_s += after.steal_s - before.steal_s
        elapsed_s += window.elapsed_s
    if not elapsed_s:
        return None
    unsure_s = TICK_S * len(windows) * (1 + 1e-9)  # sums of decimal ticks, in binary
    foreign_s, steal_s = (seconds if seconds > unsure_s else 0.0 for seconds in (foreign_s, steal_s))
    return foreign_s / elapsed_s, steal_s / elapsed_s


def _disturbed(windows: Sequence[Window]) -> Iterator[str]:
    foreign, stolen = disturbance(windows) or (0.0, 0.0)
    if foreign > FOREIGN_CORES:
        yield f"other programs kept {foreign:.2f} cores busy"
    if stolen > STOLEN_CORES:
        yield f"a hypervisor took {stolen:.2f} cores"


def _slower_when_steady(windows: Sequence[Window]) -> Iterator[str]:
    """The cold burst against the steady state, stated apart where they differ."""
    medians = [stats.quantile(sorted(window.times_ms), 0.5) for window in windows if window.times_ms]
    last = medians[-(len(medians) // 3) :]
    if len(medians) >= 6 and min(last) > medians[0] * (1 + SLOWER_PERCENT / 100):
        steady = stats.quantile(sorted(last), 0.5)
        yield (
            f"the steady state ({duration(steady)}, last {len(last)} windows) is "
            f"{100 * (steady / medians[0] - 1):.0f} % slower than the cold burst ({duration(medians[0])}, window 1)"
        )
