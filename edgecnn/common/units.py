"""How a duration and a size are written: three digits that mean something, and the unit."""

from __future__ import annotations


def scale(ms: float) -> tuple[float, str]:
    """(factor from milliseconds, unit): µs below one millisecond."""
    return (1.0, "ms") if ms >= 1 else (1000.0, "µs")


def duration(ms: float | None) -> str:
    """A time in ms or µs, as in "68.1 µs"; a dash for one that was not measured."""
    if ms is None:
        return "-"
    factor, unit = scale(ms)
    return f"{digits(ms * factor)} {unit}"


def interval(ms: float, low_ms: float, high_ms: float) -> str:
    """A time and its interval in the unit of the time, as in "68.1 [67.9, 68.4] µs"."""
    factor, unit = scale(ms)
    return f"{digits(ms * factor)} [{digits(low_ms * factor)}, {digits(high_ms * factor)}] {unit}"


def digits(value: float) -> str:
    """At least three significant digits, never an exponent."""
    for limit, places in ((10, 2), (100, 1)):
        if abs(value) < limit:
            return f"{value:.{places}f}"
    return f"{value:,.0f}"
