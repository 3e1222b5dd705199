"""How sure a file's answers are and when it should say "unknown", as `edgecnn calibrate` learns it from validation.

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
    """How well the shares of a softmax say how often answers are right, by the bootstrap over pictures."""

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
    """Of the promise."""
    least_share: float | None = None
    """The calibrated share of the best class below which a picture is not answered; None if nothing can be promised."""
    bound_percent: float
    """The bound at that share; if nothing can be promised, the lowest that these pictures allow."""
    answered: Proportion
    """Of the validation pictures, those answered at that bound."""
    wrong: int
    """How many of them are answered wrongly."""
    needed_n: int
    """How many validation pictures allow the promise at all, if none is answered wrongly."""

    @property
    def is_promised(self) -> bool:
        """Whether the pictures could promise it."""
        return self.least_share is not None


@dataclass(frozen=True, kw_only=True)
class OtherPictures:
    """What a file says to pictures of other things."""

    name: str
    unknown: Proportion


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What test pictures, on which nothing was chosen, say of the choices; a board's counts are held against it."""

    before: Fit
    """With the softmax of the logits as they are."""
    after: Fit
    """With the temperature."""
    answered: Proportion
    """Of the pictures, those that are not called unknown."""
    wrong: Proportion | None = None
    """Of those that are answered, the wrong answers; None if none is answered."""
    mean_score: float
    """The mean calibrated share of the best class, over all pictures."""
    class_percents: Mapping[str, float]
    """How often each class is the answer, of the pictures that are answered."""
    others: tuple[OtherPictures, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Certainty:
    """When a file's answers can be trusted, learnt from the validation pictures of its run."""

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
