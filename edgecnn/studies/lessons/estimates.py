"""What several seeds say together, as numbers with intervals, and how the sentences of a lesson write them."""

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
"""Of one net: which of the same N pictures it got right, (N,), once a seed."""

ONE_SEED = "pictures, 1 seed"
"""What n counts where a net was trained once: the interval is of that net, and says nothing of another seed's."""


def number(name: str, values: Sequence[float], unit: str, n_of: str = "seeds") -> Number:
    """The mean of one value a seed; a single value has no interval."""
    if len(values) == 1:
        return Number(name=name, value=values[0], unit=unit, n=1, n_of=n_of.removesuffix("s"))
    mean, low, high = stats.mean_interval(values)
    return Number(name=name, value=mean, unit=unit, low=low, high=high, n=len(values), n_of=n_of)


def share(name: str, hits: Hits) -> Number:
    """How many of the pictures are right, in percent: over seeds, or the Wilson interval of one seed's pictures.

    Student's interval of few seeds can leave 0 to 100 %, where no share is; it is cut there.
    """
    if len(hits) > 1:
        over = number(name, [100 * float(one.mean()) for one in hits], "%")
        assert over.low is not None
        assert over.high is not None
        return replace(over, low=max(0.0, over.low), high=min(100.0, over.high))
    found = stats.wilson(int(hits[0].sum()), len(hits[0]))
    return Number(
        name=name,
        value=found.percent,
        unit="%",
        low=found.low_percent,
        high=found.high_percent,
        n=found.n,
        n_of=ONE_SEED,
    )


def lead(name: str, first: Hits, second: Hits) -> Number:
    """How much more the first gets right than the second, in pp, paired: by seed, or by picture where one seed is all.

    Both are of the same seeds and the same pictures.
    """
    if len(first) > 1:
        pairs = zip(first, second, strict=True)
        return number(name, [100 * (float(a.mean()) - float(b.mean())) for a, b in pairs], "pp")
    a, b = first[0], second[0]
    drop, low, high = stats.paired_drop_pp(int((b & ~a).sum()), int((a & ~b).sum()), len(a))
    return Number(name=name, value=drop, unit="pp", low=low, high=high, n=len(a), n_of=ONE_SEED)


def contrast(name: str, terms: Sequence[tuple[int, Hits]]) -> Number:
    """The signed sum of accuracies in pp: a difference of differences. Paired as `lead` is, of same seeds and pictures;
    for one seed the interval is Student's over pictures.
    """
    signs = [sign for sign, _ in terms]
    of_seeds = zip(*(hits for _, hits in terms), strict=True)
    sums = [np.tensordot(signs, np.array(of_seed, dtype=np.float64), 1) for of_seed in of_seeds]  # each (N,)
    if len(sums) > 1:
        return number(name, [100 * float(np.mean(one)) for one in sums], "pp")
    return number(name, (100 * sums[0]).tolist(), "pp", ONE_SEED)


def less(found: Number, amount: float) -> Number:
    """The number and its interval, less a constant."""
    low, high = (None if bound is None else bound - amount for bound in (found.low, found.high))
    return replace(found, value=found.value - amount, low=low, high=high)


def is_above(found: Number, bound: float = 0.0) -> bool | None:
    """Whether its interval lies above the bound; None if the bound is inside, or no interval is there."""
    if found.low is None or found.high is None or found.low <= bound <= found.high:
        return None
    return found.low > bound


def is_within(found: Number, bound: float) -> bool | None:
    """Whether its interval lies within -bound to bound; None if it lies partly there, or no interval is there."""
    if found.low is None or found.high is None:
        return None
    if -bound <= found.low and found.high <= bound:
        return True
    return False if found.low > bound or found.high < -bound else None


def all_of(verdicts: Sequence[bool | None]) -> bool | None:
    """One verdict of several: False if one is, else None if one is."""
    return False if False in verdicts else None if None in verdicts else True


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
