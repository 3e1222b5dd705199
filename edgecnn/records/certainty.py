"""The certainty of a file's answers and its rule for "unknown", as `edgecnn calibrate` learns it from validation.

All of it works on the file's own logits, for an int8 file after dequantisation, so a board decides as this machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgecnn.common.stats import Proportion

VERSION = 1
Score = Literal["max-softmax", "max-logit", "energy"]
"""The numbers that tell known pictures from others: `edgecnn.onboard.unknown.SCORES` computes them."""


@dataclass(frozen=True, kw_only=True)
class Bootstrapped:
    """A number with its 95 % interval, by the bootstrap over pictures."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The calibration of a softmax: how well its shares match right answers, by the bootstrap over pictures."""

    error_pp: Bootstrapped
    """The expected calibration error in percentage points (`calibration_error.expected_pp`)."""
    loss: Bootstrapped
    """The mean negative log-likelihood of the true class, in nats; it is a proper score."""


@dataclass(frozen=True, kw_only=True)
class Risk:
    """The share of wrong answers that is promised among the pictures that are answered."""

    max_percent: float
    """What was asked for."""
    confidence_percent: float
    """The confidence of the promise."""
    least_share: float | None = None
    """The calibrated share of the best class below which a picture is not answered; None if nothing can be promised."""
    bound_percent: float
    """The bound at that share; if nothing can be promised, the lowest that these pictures allow."""
    answered: Proportion
    """The share of the validation pictures that is answered at that bound."""
    wrong: int
    """How many of them are answered wrongly."""
    needed_n: int
    """How many validation pictures allow the promise at all, if none is answered wrongly."""

    @property
    def is_promised(self) -> bool:
        """True if the validation pictures allow the promise."""
        return self.least_share is not None


@dataclass(frozen=True, kw_only=True)
class OtherPictures:
    """The share of pictures of other things that a file calls unknown."""

    name: str
    unknown: Proportion


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """The choices held against test pictures, on which nothing was chosen; a board's counts are held against it."""

    before: Fit
    """With the softmax of the logits as they are."""
    after: Fit
    """With the temperature."""
    answered: Proportion
    """The share of the pictures that is not called unknown."""
    wrong: Proportion | None = None
    """The share of wrong answers among the answered pictures; None if none is answered."""
    mean_score: float
    """The mean calibrated share of the best class, over all pictures."""
    class_percents: Mapping[str, float]
    """How often each class is the answer, of the pictures that are answered."""
    others: tuple[OtherPictures, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Certainty:
    """The conditions on which a file's answers are trusted, learnt from the validation pictures of its run."""

    temperature: float
    """What logits are divided by before the softmax (Guo et al., 2017, arXiv:1706.04599)."""
    score: Score
    least_score: float | None = None
    """A picture with a lower score is unlike the pictures of training; None if there are too few to tell."""
    keep_percent: float
    """The share of known pictures that should not be called unlike, as it was asked for."""
    validation_n: int
    before: Fit
    after: Fit
    risk: Risk | None = None
    outlook: Outlook | None = None
    version: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature = {self.temperature} should be above 0")
        if self.version != VERSION:
            raise ValueError(f"its certainty has version {self.version}, and {VERSION} is known")
