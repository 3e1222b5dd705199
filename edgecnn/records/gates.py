"""Gates: limits that measured numbers must keep. A gate passes, fails, or cannot tell.

An exact count (bytes, steps, finite outputs) passes or fails. An estimate from n pictures or rounds has an interval: it
passes if the whole interval is within the limit, fails if the whole interval is beyond it, and otherwise cannot tell,
wherever the estimate itself lies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["pass", "fail", "cannot tell"]

AFFORDABLE = 1_000_000
"""The most pictures or rounds that anybody would collect to settle a gate."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One limit and its outcome."""

    limit: str
    """The option that sets it, such as "max-ms"."""
    subject: str
    """What was measured."""
    outcome: Outcome
    sentence: str


def at_most(low: float, high: float, limit: float) -> Outcome:
    """Hold the interval from `low` to `high` against a limit that it should not exceed."""
    return "pass" if high <= limit else "fail" if low > limit else "cannot tell"


def at_least(low: float, high: float, limit: float) -> Outcome:
    """Hold the interval from `low` to `high` against a limit that it should reach."""
    return at_most(-high, -low, -limit)


def word(outcome: Outcome) -> str:
    """Return the outcome for a table; a failure stands out without colour."""
    return "FAIL" if outcome == "fail" else outcome


def doubt(n: int, needed: float, unit: str = "") -> str:
    """Say that n pictures, or n of `unit`, cannot settle a gate, and about how many would."""
    about = f"about {_two_digits(needed, n):,}" if needed <= AFFORDABLE else "no affordable number"
    counted = f"n {n:,} {unit}".rstrip()
    return f"cannot tell with {counted}: {about} would settle it"


def _two_digits(needed: float, n: int) -> int:
    """Round `needed` to two digits, upwards if the result would not exceed n."""
    step = 10 ** max(0, math.floor(math.log10(max(needed, n, 1))) - 1)
    rounded = round(needed / step) * step
    return int(rounded if rounded > n else (n // step + 1) * step)
