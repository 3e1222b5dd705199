"""Decide when a model answers "unknown": to a picture unlike those of training, or one it is too unsure about.

The thresholds are in the model's card (`edgecnn.records.certainty`); `edgecnn calibrate` and a board decide by this
code, on the same logits.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgecnn.errors import UsageError
from edgecnn.records.artifact import Artifact
from edgecnn.records.certainty import Score
from edgecnn.records.labels import NONE_OF_THESE

UNKNOWN = "unknown"
"""The label of a picture that is not answered."""
AUTO, OFF = "auto", "off"
Reason = Literal["none of these", "unlike", "unsure"]
"""Why: the class of other things is the best; the score is too low; the best class's share is too small."""
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The rule that decides whether a picture is answered."""

    temperature: float = 1.0
    score: Score = "max-softmax"
    least_score: float | None = None
    least_share: float | None = None
    none_of_these: int | None = None
    """The place of the class of other things; None if there is none."""

    @property
    def is_active(self) -> bool:
        """True if any picture can be unknown."""
        return (self.least_score, self.least_share, self.none_of_these) != (None, None, None)


@dataclass(frozen=True, kw_only=True)
class Sureness:
    """The certainty of a model about one picture, and its decision to answer."""

    shares: Scores
    """(K,) the calibrated softmax."""
    score: float | None
    """What the rule's threshold is held against; None where every picture is answered."""
    reason: Reason | None
    """Why the picture is unknown; None if it is answered."""


def rule_of(artifact: Artifact, choice: str | float = AUTO) -> Rule:
    """Return the rule of a model's card.

    Args:
        artifact: The model.
        choice: "auto" takes the card's thresholds, "off" answers every picture, and a number stands in place of the
            score's threshold.

    Raises:
        UsageError: The choice is none of these.
    """
    card = artifact.certainty
    rule = Rule(temperature=card.temperature, score=card.score) if card else Rule()
    if choice == OFF:
        return rule
    names = artifact.labels
    rule = dataclasses.replace(rule, none_of_these=names.index(NONE_OF_THESE) if NONE_OF_THESE in names else None)
    if card is not None:
        least_share = card.risk.least_share if card.risk else None
        rule = dataclasses.replace(rule, least_score=card.least_score, least_share=least_share)
    return rule if choice == AUTO else dataclasses.replace(rule, least_score=_number(choice))


def require_choice(choice: str | float) -> None:
    """Raise UsageError if a choice is neither "auto" nor "off" nor a number."""
    if choice not in (AUTO, OFF):
        _number(choice)


def decide(logits: npt.NDArray[np.float32], rule: Rule) -> Sureness:
    """Return how sure a model is of one picture, by its logits (K,)."""
    shares = softmax(logits.astype(np.float64) / rule.temperature)
    if not rule.is_active:
        return Sureness(shares=shares, score=None, reason=None)
    best, value = int(logits.argmax()), float(scores(logits[None], rule)[0])
    reason: Reason | None = None
    if best == rule.none_of_these:
        reason = "none of these"
    elif rule.least_score is not None and value < rule.least_score:
        reason = "unlike"
    elif rule.least_share is not None and shares[best] < rule.least_share:
        reason = "unsure"
    return Sureness(shares=shares, score=value, reason=reason)


def scores(logits: npt.NDArray[np.float32], rule: Rule) -> Scores:
    """Return the score of each picture (N,), by the logits (N, K): what `decide` holds against the threshold."""
    whole = logits.astype(np.float64)
    known = whole if rule.none_of_these is None else np.delete(whole, rule.none_of_these, axis=-1)
    return SCORES[rule.score](whole, known)


def softmax(logits: npt.NDArray[np.floating]) -> Scores:
    """Compute exp(x) / sum(exp(x)) along the last axis, shifted by the largest logit so that nothing overflows."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _max_softmax(logits: Scores, known: Scores) -> Scores:
    """Return the largest share of a known class (Hendrycks and Gimpel, 2017, arXiv:1610.02136)."""
    best = known.max(axis=-1)
    return np.asarray(1 / np.exp(logits - best[:, None]).sum(axis=-1))


def _max_logit(_: Scores, known: Scores) -> Scores:
    """Return the largest logit of a known class (Hendrycks et al., 2022, arXiv:1911.11132)."""
    return np.asarray(known.max(axis=-1))


def _energy(_: Scores, known: Scores) -> Scores:
    """Return log(sum(exp(x))), the negative energy (Liu et al., 2020, arXiv:2010.03759)."""
    largest = known.max(axis=-1)
    return np.asarray(largest + np.log(np.exp(known - largest[:, None]).sum(axis=-1)))


SCORES: Mapping[Score, Callable[[Scores, Scores], Scores]] = {
    "max-softmax": _max_softmax,
    "max-logit": _max_logit,
    "energy": _energy,
}
"""Each score of a picture: of all logits (N, K) and those of the known classes, the larger the likelier known."""


def _number(choice: str | float) -> float:
    try:
        number = float(choice)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{choice!r} does not say when to answer unknown.", "auto, off, or the least score")
    return number
