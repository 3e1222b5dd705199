"""Rungs: plug-ins that each improve an int8 net in one way (`Rung`); the ladder climbs them in ORDER."""

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
"""From rungs that cost nothing on the device to those that cost latency, and last training."""

Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RungTrial:
    """The result of one try of a rung on the validation pictures."""

    options: Options
    correct: npt.NDArray[np.bool_]
    """(N,), whether each picture is classified correctly."""
    squared_error: float
    """Mean squared difference between its logits and the float net's; ranks tries of equal accuracy."""
    passed: bool
    """Whether its drop is at most the gate's limit."""

    @property
    def rank(self) -> tuple[int, float]:
        """Sort key; larger is better."""
        return int(self.correct.sum()), -self.squared_error

    def beats(self, other: RungTrial) -> bool:
        """Return whether it is more accurate beyond doubt: the paired 95 % interval of the gain lies above 0."""
        _, low, _ = gain_pp(self.correct, other.correct)
        return low > 0


class Rung(Protocol):
    """The interface of a rung plug-in."""

    TITLE: str
    """What it does, in one sentence."""

    def tries(self, scheme: Scheme, outcomes: Sequence[RungTrial]) -> Iterator[Options]:
        """Yield the options of `apply` to try on top of `scheme`, cheapest first; nothing if the rung does not apply.

        `outcomes` begins with that of `scheme` itself and grows by one after each try.
        """
        ...

    def label(self, options: Options) -> str:
        """Describe a try in a few words, such as "percentile 99.9"."""
        ...

    def apply(self, scheme: Scheme) -> Scheme:
        """Return the scheme with the rung taken; keyword arguments with defaults are its options.

        Raises:
            PlanError: The options do not fit the net.
        """
        ...


def gain_pp(after: npt.NDArray[np.bool_], before: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return (gain, low, high) in percentage points from `before` to `after`: correctness (N,) on the same pictures."""
    gained, lost = int((after & ~before).sum()), int((~after & before).sum())
    return stats.paired_drop_pp(lost, gained, len(after))


KIND = plugins.PluginKind("edgecnn.pipeline.export.rungs", "rung", Rung, "edgecnn.rungs")


def get(name: str) -> Rung:
    """Return the rung `name`.

    Raises:
        UsageError: There is no such rung; the hint lists the known ones.
    """
    return cast(Rung, KIND.load(name))


def in_order() -> tuple[str, ...]:
    """Return all rungs as the ladder climbs them: ours in ORDER, and behind them those of other packages."""
    return (*ORDER, *(name for name in KIND.names() if name not in ORDER))


def climbed(scheme: Scheme, taken: Mapping[str, Options]) -> Scheme:
    """Return the scheme with the rungs of an export plan taken, in ORDER."""
    for name in sorted(taken, key=_place):
        scheme = take(scheme, name, taken[name])
    return scheme


def take(scheme: Scheme, name: str, options: Options) -> Scheme:
    """Return the scheme with one more rung taken.

    Raises:
        PlanError: The options do not fit.
    """
    applied = plugins.call(get(name).apply, options, f"[rungs.{name}]", scheme=scheme)
    return dataclasses.replace(applied, taken={**scheme.taken, name: options})


def _place(name: str) -> int:
    get(name)  # raises for an unknown name
    return ORDER.index(name) if name in ORDER else len(ORDER)
