"""The validity of a measurement, judged from its windows: VALID, DEGRADED or INVALID, with reasons.

INVALID: the firmware limited the machine (under-voltage, a capped clock, throttling), or the clock fell far below that
of another window. The latency then describes the power supply or the cooling, not the net. DEGRADED: something
disturbed the measurement, and the latency is an upper bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgecnn.common import stats
from edgecnn.common.units import duration
from edgecnn.records.measurement import Validity, Window
from edgecnn.records.throttling import WORDS, Throttling

DEGRADED_CLOCK_PERCENT = 5.0
INVALID_CLOCK_PERCENT = 30.0
"""How far the clock may fall below the highest one seen after a window; a Pi that throttles halves it."""
FOREIGN_CORES = 0.1
"""How many cores other programs may keep busy, averaged over the windows."""
STOLEN_CORES = 0.02
"""How many cores a hypervisor may take, averaged over the windows."""
TICK_S = 0.01
"""The kernel's unit of busy time, USER_HZ (proc(5)); the process that runs at its end is charged all of it."""
SLOWER_PERCENT = 5.0
"""How much slower the last third of the rounds may be than the first; beyond it, burst and steady state differ."""
SOFT_LIMIT = WORDS[3]
"""The state in which a Pi lowers its clock a little because of its temperature."""


def judge(windows: Sequence[Window]) -> Validity:
    """Return the validity of one measurement; without windows it is VALID."""
    invalid = [*_limited(windows), *_fallen_clock(windows, INVALID_CLOCK_PERCENT)]
    degraded = [*_warm(windows), *_fallen_clock(windows, DEGRADED_CLOCK_PERCENT), *_disturbed(windows)]
    degraded += _slower_when_steady(windows)
    if invalid:
        return Validity(verdict="INVALID", reasons=tuple(invalid))
    return Validity(verdict="DEGRADED" if degraded else "VALID", reasons=tuple(degraded))


def _limited(windows: Sequence[Window]) -> Iterator[str]:
    for index, words in _states(windows):
        hard = [word for word in words if word != SOFT_LIMIT]
        if hard:
            yield f"{' and '.join(hard)} in window {index}"


def _warm(windows: Sequence[Window]) -> Iterator[str]:
    for index, words in _states(windows):
        if SOFT_LIMIT in words:
            yield f"{SOFT_LIMIT} in window {index}"


def _states(windows: Sequence[Window]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield (index from 1, what limited the machine before, in or after the window), where the firmware tells it."""
    for index, window in enumerate(windows, 1):
        if window.before.throttled is None or window.after.throttled is None:
            continue
        before, after = Throttling(window.before.throttled), Throttling(window.after.throttled)
        states = {*before.now(), *after.began_after(before)}
        yield index, tuple(word for word in WORDS if word in states)


def _fallen_clock(windows: Sequence[Window], percent: float) -> Iterator[str]:
    # After a window the core has worked; before it, it may have slept at its lowest clock.
    clocks = [(index, window.after.frequency_mhz) for index, window in enumerate(windows, 1)]
    known = [(index, mhz) for index, mhz in clocks if mhz]
    highest = max((mhz for _, mhz in known), default=0.0)
    low = [(index, mhz) for index, mhz in known if mhz < highest * (1 - percent / 100)]
    if low:
        index, mhz = min(low, key=lambda clock: clock[1])
        yield f"the clock fell from {highest:.0f} to {mhz:.0f} MHz in window {index}"


def disturbance(windows: Sequence[Window]) -> tuple[float, float] | None:
    """Return (cores other programs kept busy, cores a hypervisor took), averaged over the windows; None if unknown.

    Up to one tick per window counts as 0: a window of a few milliseconds can be charged a tick of its own process.
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
    unsure_s = TICK_S * len(windows) * (1 + 1e-9)  # decimal ticks have no exact binary sum
    foreign_s, steal_s = (seconds if seconds > unsure_s else 0.0 for seconds in (foreign_s, steal_s))
    return foreign_s / elapsed_s, steal_s / elapsed_s


def _disturbed(windows: Sequence[Window]) -> Iterator[str]:
    foreign, stolen = disturbance(windows) or (0.0, 0.0)
    if foreign > FOREIGN_CORES:
        yield f"other programs kept {foreign:.2f} cores busy"
    if stolen > STOLEN_CORES:
        yield f"a hypervisor took {stolen:.2f} cores"


def _slower_when_steady(windows: Sequence[Window]) -> Iterator[str]:
    """Compare the cold burst with the steady state, from six windows on."""
    medians = [stats.quantile(sorted(window.times_ms), 0.5) for window in windows if window.times_ms]
    last_third = medians[-(len(medians) // 3) :]
    if len(medians) >= 6 and min(last_third) > medians[0] * (1 + SLOWER_PERCENT / 100):
        steady = stats.quantile(sorted(last_third), 0.5)
        yield (
            f"the steady state ({duration(steady)}, last {len(last_third)} windows) is "
            f"{100 * (steady / medians[0] - 1):.0f} % slower than the cold burst ({duration(medians[0])}, window 1)"
        )
