"""Formatting of durations and sizes: three significant digits and a unit."""

from __future__ import annotations


def scale(ms: float) -> tuple[float, str]:
    """Return (factor from milliseconds, unit); below one millisecond the unit is µs."""
    return (1.0, "ms") if ms >= 1 else (1000.0, "µs")


def duration(ms: float | None) -> str:
    """Format a time in ms or µs, such as "68.1 µs"; a dash stands for None."""
    if ms is None:
        return "-"
    factor, unit = scale(ms)
    return f"{digits(ms * factor)} {unit}"


def interval(ms: float, low_ms: float, high_ms: float) -> str:
    """Format a time and its interval in one unit, such as "68.1 [67.9, 68.4] µs"."""
    factor, unit = scale(ms)
    return f"{digits(ms * factor)} [{digits(low_ms * factor)}, {digits(high_ms * factor)}] {unit}"


def digits(value: float) -> str:
    """Format a number with at least three significant digits, never with an exponent."""
    for limit, places in ((10, 2), (100, 1)):
        if abs(value) < limit:
            return f"{value:.{places}f}"
    return f"{value:,.0f}"
