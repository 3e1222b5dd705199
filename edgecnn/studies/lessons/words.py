"""Numbers, verdicts and recipes as claims and settings hold them."""

from __future__ import annotations

from typing import Any

from edgecnn.common import config
from edgecnn.common.units import digits
from edgecnn.records.recipe import Recipe
from edgecnn.studies.findings import Number


def text(found: Number, signed: bool = True) -> str:
    """ "+1.24 pp [0.31, 2.17], n 3 seeds": a value with its unit, interval and n, as far as it has them."""
    value = f"{'+' if signed and found.value > 0 else ''}{_figure(found.value)}"
    parts = [f"{value} {found.unit}".rstrip()]
    if found.low is not None and found.high is not None:
        parts[0] += f" [{_figure(found.low)}, {_figure(found.high)}]"
    if found.n is not None:
        parts.append(f"n {found.n:,} {found.n_of}".rstrip())
    return ", ".join(parts)


def opposite(verdict: bool | None) -> bool | None:
    """Of a sentence that is denied; None stays None."""
    return None if verdict is None else not verdict


def settings(recipe: Recipe) -> dict[str, Any]:
    """All that decides a training but its name and its seed, which a lesson varies."""
    table = config.table_of(recipe)
    return {key: value for key, value in table.items() if key not in ("name", "seed")}


def _figure(value: float) -> str:
    """Two digits that mean something at the least, so that what is next to nothing keeps its sign."""
    return f"{value:.2g}" if 0 < abs(value) < 0.1 else digits(value)
