"""Estimates over several seeds, as numbers with intervals, and their form in the sentences of a lesson."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.common import config, stats
from edgecnn.common.units import digits
from edgecnn.records.recipe import Recipe
from edgecnn.studies.findings import Number

Hits = Sequence[npt.NDArray[np.bool_]]
"""For each seed of a net, whether it classifies each of the same N pictures correctly, (N,)."""

ONE_SEED = "pictures, 1 seed"
"""Unit of n for a net that was trained once: its interval does not cover other seeds."""


def number(name: str, values: Sequence[float], unit: str, n_of: str = "seeds") -> Number:
    """Average one value per seed; a single value has no interval."""
    if len(values) == 1:
        return Number(name=name, value=values[0], unit=unit, n=1, n_of=n_of.removesuffix("s"))
    mean, low, high = stats.mean_interval(values)
    return Number(name=name, value=mean, unit=unit, low=low, high=high, n=len(values), n_of=n_of)


def share(name: str, hits: Hits) -> Number:
    """Compute the accuracy in percent: Student's interval over seeds, or Wilson's over the pictures of a single seed.

    Student's interval over few seeds can exceed 0 to 100 % and is clipped to it.
    """
    if len(hits) > 1:
        accuracy = number(name, [100 * float(correct.mean()) for correct in hits], "%")
        assert accuracy.low is not None
        assert accuracy.high is not None
        return replace(accuracy, low=max(0.0, accuracy.low), high=min(100.0, accuracy.high))
    proportion = stats.wilson(int(hits[0].sum()), len(hits[0]))
    return Number(
        name=name,
        value=proportion.percent,
        unit="%",
        low=proportion.low_percent,
        high=proportion.high_percent,
        n=proportion.n,
        n_of=ONE_SEED,
    )


def lead(name: str, first: Hits, second: Hits) -> Number:
    """Compute how much more accurate the first net is than the second, in pp.

    Both have the same seeds and pictures; the interval is paired by seed, or by picture if there is a single seed.
    """
    if len(first) > 1:
        pairs = zip(first, second, strict=True)
        return number(name, [100 * (float(a.mean()) - float(b.mean())) for a, b in pairs], "pp")
    a, b = first[0], second[0]
    drop, low, high = stats.paired_drop_pp(int((b & ~a).sum()), int((a & ~b).sum()), len(a))
    return Number(name=name, value=drop, unit="pp", low=low, high=high, n=len(a), n_of=ONE_SEED)


def contrast(name: str, terms: Sequence[tuple[int, Hits]]) -> Number:
    """Compute a signed sum of accuracies in pp, such as a difference of differences.

    All nets have the same seeds and pictures; the interval is Student's, paired by seed, or by picture if there is a
    single seed.

    Args:
        name: name of the number.
        terms: (sign, hits) of each net.
    """
    signs = [sign for sign, _ in terms]
    of_seeds = zip(*(hits for _, hits in terms), strict=True)
    sums = [np.tensordot(signs, np.array(of_seed, dtype=np.float64), 1) for of_seed in of_seeds]  # each (N,)
    if len(sums) > 1:
        return number(name, [100 * float(np.mean(of_picture)) for of_picture in sums], "pp")
    return number(name, (100 * sums[0]).tolist(), "pp", ONE_SEED)


def less(number: Number, amount: float) -> Number:
    """Subtract a constant from a number and its interval."""
    low, high = (None if bound is None else bound - amount for bound in (number.low, number.high))
    return replace(number, value=number.value - amount, low=low, high=high)


def is_above(number: Number, bound: float = 0.0) -> bool | None:
    """Return whether the number's interval is above `bound`; None if it contains it, or there is no interval."""
    if number.low is None or number.high is None or number.low <= bound <= number.high:
        return None
    return number.low > bound


def is_within(number: Number, bound: float) -> bool | None:
    """Return whether the number's interval is within -bound to bound; None if partly, or there is no interval."""
    if number.low is None or number.high is None:
        return None
    if -bound <= number.low and number.high <= bound:
        return True
    return False if number.low > bound or number.high < -bound else None


def all_of(verdicts: Sequence[bool | None]) -> bool | None:
    """Combine verdicts: False if any is False, else None if any is None, else True."""
    return False if False in verdicts else None if None in verdicts else True


def text(number: Number, signed: bool = True) -> str:
    """Format a number with its unit, and its interval and n if it has them: "+1.24 pp [0.31, 2.17], n 3 seeds"."""
    value = f"{'+' if signed and number.value > 0 else ''}{_figure(number.value)}"
    parts = [f"{value} {number.unit}".rstrip()]
    if number.low is not None and number.high is not None:
        parts[0] += f" [{_figure(number.low)}, {_figure(number.high)}]"
    if number.n is not None:
        parts.append(f"n {number.n:,} {number.n_of}".rstrip())
    return ", ".join(parts)


def opposite(verdict: bool | None) -> bool | None:
    """Negate a verdict; None stays None."""
    return None if verdict is None else not verdict


def settings(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as a table without its name and seed, which a lesson varies."""
    table = config.table_of(recipe)
    return {key: value for key, value in table.items() if key not in ("name", "seed")}


def _figure(value: float) -> str:
    """Format with at least two significant digits, so that a value near 0 keeps its sign."""
    return f"{value:.2g}" if 0 < abs(value) < 0.1 else digits(value)
