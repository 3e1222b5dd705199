"""Rungs: a file here is one way to make an int8 net better. Contract: `Rung`. The ladder climbs them in ORDER."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from edgecnn.common import plugins, stats

if TYPE_CHECKING:
    from edgecnn.pipeline.export.scheme import Scheme

ORDER = ("calibration-set", "equalisation", "bias-correction", "mixed", "qat")
"""From what costs nothing on the device to what costs latency, and last what costs training."""

Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one try of a rung came out on the validation pictures."""

    options: Options
    right: npt.NDArray[np.bool_]
    """(N,) which pictures it gets right."""
    squared_error: float
    """Mean squared difference of its logits from the float net's: ranks tries of equal accuracy."""
    passed: bool
    """Whether its drop is at most the gate's."""

    @property
    def rank(self) -> tuple[int, float]:
        """The larger, the better."""
        return int(self.right.sum()), -self.squared_error

    def beats(self, other: Outcome) -> bool:
        """Whether it is right more often beyond doubt: the paired 95 % interval of the gain lies above 0."""
        _, low, _ = gain_pp(self.right, other.right)
        return low > 0


class Rung(Protocol):
    """What a file of this folder provides."""

    TITLE: str
    """What it does, in one sentence."""

    def tries(self, scheme: Scheme, outcomes: Sequence[Outcome]) -> Iterator[Options]:
        """The options of `apply` to try on top of `scheme`, the cheapest first; none where the rung does not apply.

        `outcomes` begins with that of `scheme` itself and grows by one after each try.
        """
        ...

    def label(self, options: Options) -> str:
        """A try in a few words, as in "percentile 99.9"."""
        ...

    def apply(self, scheme: Scheme) -> Scheme:
        """The scheme with the rung taken; keyword arguments with defaults are its options.

        Raises PlanError for options that do not fit the net.
        """
        ...


def gain_pp(right: npt.NDArray[np.bool_], before: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """(gain, low, high) in percentage points of two nets on the same pictures, each (N,): which it gets right."""
    gained, lost = int((right & ~before).sum()), int((~right & before).sum())
    return stats.paired_drop_pp(lost, gained, len(right))


KIND = plugins.Kind("edgecnn.pipeline.export.rungs", "rung", Rung, "edgecnn.rungs")


def get(name: str) -> Rung:
    """The rung of that name; a UsageError lists the known ones."""
    return cast(Rung, KIND.load(name))


def in_order() -> tuple[str, ...]:
    """All rungs as the ladder climbs them: ours in ORDER, and behind them those of other packages."""
    return (*ORDER, *(name for name in KIND.names() if name not in ORDER))


def climbed(scheme: Scheme, taken: Mapping[str, Options]) -> Scheme:
    """The scheme with the rungs of an export plan taken, in ORDER."""
    for name in sorted(taken, key=_place):
        scheme = take(scheme, name, taken[name])
    return scheme


def take(scheme: Scheme, name: str, options: Options) -> Scheme:
    """The scheme with one more rung taken. Raises PlanError for options that do not fit."""
    applied = plugins.call(get(name).apply, options, f"[rungs.{name}]", scheme=scheme)
    return dataclasses.replace(applied, taken={**scheme.taken, name: options})


def _place(name: str) -> int:
    get(name)  # an unknown one is refused by its name
    return ORDER.index(name) if name in ORDER else len(ORDER)
