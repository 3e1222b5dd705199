"""Formats the figures of a profile: times in µs or ms, instructions in thousands."""

from __future__ import annotations

from edgecnn.common.units import digits, duration, interval
from edgecnn.onboard.job import Unit
from edgecnn.pipeline.bench.profiling.results import OperatorCost


def amount(value: float, unit: Unit) -> str:
    """Format a cost, such as "15.6 µs" or "1,204 k instructions"."""
    return duration(value) if unit == "ms" else f"{digits(value / 1000)} k instructions"


def spread(cost: OperatorCost, unit: Unit) -> str:
    """Format a cost with its interval, such as "15.6 [15.5, 15.7] µs"."""
    if unit == "ms":
        return interval(cost.p50, cost.low, cost.high)
    return f"{amount(cost.p50, unit)} [{digits(cost.low / 1000)}, {digits(cost.high / 1000)}]"


def cell(cost: OperatorCost, factor: float) -> str:
    """Format a cost for a column whose head names the unit; a cost that cannot be told has only a bound."""
    if not cost.is_told:
        return f"< {digits(max(cost.high, 0.0) * factor)}"
    return f"{digits(cost.p50 * factor)} [{digits(cost.low * factor)}, {digits(cost.high * factor)}]"


def rate(macs_per_unit: float, unit: Unit) -> str:
    """Format a rate, such as "51.5 GMAC/s" or "0.8 MACs an instruction"."""
    return f"{digits(macs_per_unit / 1e6)} GMAC/s" if unit == "ms" else f"{digits(macs_per_unit)} MACs an instruction"


def percent(value: float) -> str:
    """Format a percentage, such as "41 %", with a decimal below 1: "0.4 %"."""
    return f"{value:.0f} %" if value >= 1 else f"{value:.1f} %"


def count(n: int, singular: str, plural: str | None = None) -> str:
    """Format a count with its noun, such as "1 transpose" or "2 transposes"."""
    return f"{n} {singular if n == 1 else plural or singular + 's'}"
