"""How a profile's figures are written: times in µs or ms, instructions in thousands."""

from __future__ import annotations

from edgecnn.common.units import digits, duration, interval
from edgecnn.onboard.job import Unit
from edgecnn.pipeline.bench.profiling.results import Cost


def amount(value: float, unit: Unit) -> str:
    """As in "15.6 µs" or "1,204 k instructions"."""
    return duration(value) if unit == "ms" else f"{digits(value / 1000)} k instructions"


def spread(cost: Cost, unit: Unit) -> str:
    """With its interval, as in "15.6 [15.5, 15.7] µs"."""
    if unit == "ms":
        return interval(cost.p50, cost.low, cost.high)
    return f"{amount(cost.p50, unit)} [{digits(cost.low / 1000)}, {digits(cost.high / 1000)}]"


def cell(cost: Cost, factor: float) -> str:
    """A number of a column whose head names the unit; a cost that cannot be told is what it is below."""
    if not cost.is_told:
        return f"< {digits(max(cost.high, 0.0) * factor)}"
    return f"{digits(cost.p50 * factor)} [{digits(cost.low * factor)}, {digits(cost.high * factor)}]"


def rate(macs_per_unit: float, unit: Unit) -> str:
    """MACs a second, as in "51.5 GMAC/s"; or MACs an instruction."""
    return f"{digits(macs_per_unit / 1e6)} GMAC/s" if unit == "ms" else f"{digits(macs_per_unit)} MACs an instruction"


def percent(value: float) -> str:
    """As in "41 %", and "0.4 %" below one."""
    return f"{value:.0f} %" if value >= 1 else f"{value:.1f} %"


def count(number: int, one: str, many: str | None = None) -> str:
    """As in "1 transpose" and "2 transposes"."""
    return f"{number} {one if number == 1 else many or one + 's'}"
