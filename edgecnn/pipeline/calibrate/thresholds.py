"""Thresholds that validation pictures choose: which score is too low, and which share too small to be answered."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgecnn.common import stats
from edgecnn.records.certainty import Risk

CONFIDENCE_PERCENT = 95.0
COVERAGES = (1.0, 0.97, 0.94, 0.9, 0.85, 0.8, 0.7, 0.6, 0.45, 0.3)
"""Shares of the pictures that are tried, the largest first."""
MARGIN = 1e-6
"""How far below the lowest value a threshold lies, relative to it."""

Values = npt.NDArray[np.float64]


def least_score(scores: Values, keep_percent: float) -> float | None:
    """Return the score under which a picture is unlike those of training; None if there are too few pictures to tell.

    A new picture of the same kind has a score below the k-th lowest of n with a probability of at most k / (n + 1)
    (split conformal prediction: Vovk, Gammerman and Shafer, 2005, Algorithmic Learning in a Random World).

    Args:
        scores: Those of the n validation pictures of known classes, (n,).
        keep_percent: The share of such pictures that is to be kept.
    """
    lost = math.floor((len(scores) + 1) * (1 - keep_percent / 100) + 1e-9)
    return _value_below(np.sort(scores), lost - 1) if lost else None


def needed_to_keep(keep_percent: float) -> int:
    """Return how many pictures tell a score that keeps this share of them."""
    return math.ceil(1 / (1 - keep_percent / 100) - 1e-9) - 1


def risk(shares: Values, correct: npt.NDArray[np.bool_], n: int, max_percent: float) -> Risk:
    """Choose the share of the best class from which on at most `max_percent` of the answers are wrong.

    It is the smallest of those at which COVERAGES of the pictures are answered whose Clopper-Pearson bound promises it,
    each at a part of the chance to be wrong (selective classification with guaranteed risk: Geifman and El-Yaniv, 2017,
    arXiv:1705.08500; their binary search wants a bound that falls with the coverage, which few pictures do not give).

    Args:
        shares: The best class's calibrated share of the validation pictures that no other rule leaves out, (m,).
        correct: Whether the best class is the true one, (m,).
        n: All validation pictures.
        max_percent: The largest share of wrong answers among the pictures that are answered.
    """
    chance = (1 - CONFIDENCE_PERCENT / 100) / len(COVERAGES)
    order = np.argsort(-shares, kind="stable")
    falling = shares[order]
    tried = []
    for coverage in COVERAGES if len(shares) else ():
        threshold = _value_below(falling[::-1], len(falling) - max(1, round(coverage * len(falling))))
        answered = shares >= threshold
        wrong, count = int((answered & ~correct).sum()), int(answered.sum())
        tried.append((100 * stats.binomial_upper(wrong, count, chance), threshold, count, wrong))
    kept = next((candidate for candidate in tried if candidate[0] <= max_percent), None)
    bound, threshold, count, wrong = kept or min(tried, default=(100.0, 0.0, 0, 0))
    return Risk(
        max_percent=max_percent,
        confidence_percent=CONFIDENCE_PERCENT,
        least_share=threshold if kept else None,
        bound_percent=bound,
        answered=stats.wilson(count, n),
        wrong=wrong,
        needed_n=math.ceil(math.log(chance) / math.log1p(-max_percent / 100)),
    )


def _value_below(rising: Values, place: int) -> float:
    """Return a number between the value at a place and the next lower one, so that no rounding decides."""
    value = float(rising[place])
    scale = MARGIN * max(1.0, abs(value))
    lower = rising[rising < value - scale]
    return (value + float(lower[-1])) / 2 if len(lower) else value - scale
