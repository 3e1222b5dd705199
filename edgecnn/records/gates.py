"""A gate: a limit that a measured number is held against. It passes, fails, or cannot tell.

What is counted to the last bit (bytes, steps, finite outputs) passes or fails. A number that n pictures or rounds
estimate has an interval: within the limit as a whole it passes, beyond it as a whole it fails, and between the two it
cannot tell, wherever the estimate itself lies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["pass", "fail", "cannot tell"]

AFFORDABLE = 1_000_000
"""More pictures or rounds than these nobody goes and gets to settle a gate."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One limit and how it came out."""

    limit: str
    """Its option, as in "max-ms"."""
    subject: str
    """What was held against it."""
    outcome: Outcome
    sentence: str


def at_most(low: float, high: float, limit: float) -> Outcome:
    """How a number that lies between `low` and `high` comes out against the largest that passes."""
    return "pass" if high <= limit else "fail" if low > limit else "cannot tell"


def at_least(low: float, high: float, limit: float) -> Outcome:
    """How a number that lies between `low` and `high` comes out against the smallest that passes."""
    return at_most(-high, -low, -limit)


def word(outcome: Outcome) -> str:
    """The outcome as tables show it: a failure stands out without colour."""
    return "FAIL" if outcome == "fail" else outcome


def doubt(n: int, needed: float, unit: str = "") -> str:
    """Why a gate cannot tell from n pictures, or from n of another unit, and about how many would settle it."""
    about = f"about {_two_digits(needed, n):,}" if needed <= AFFORDABLE else "no affordable number"
    counted = f"n {n:,} {unit}".rstrip()
    return f"cannot tell with {counted}: {about} would settle it"


def _two_digits(needed: float, n: int) -> int:
    """`needed` rounded to two digits, and up where that would be no more than the n there are."""
    step = 10 ** max(0, math.floor(math.log10(max(needed, n, 1))) - 1)
    rounded = round(needed / step) * step
    return int(rounded if rounded > n else (n // step + 1) * step)
