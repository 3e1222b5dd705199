"""wider-margin: the plan's pictures, and ranges that leave the rarest values out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from edgecnn.errors import PlanError
from edgecnn.pipeline.export.rungs import Options, RungTrial
from edgecnn.pipeline.export.scheme import Scheme

TITLE = "Ranges of activations that leave one value in a thousand out."


def tries(scheme: Scheme, outcomes: Sequence[RungTrial]) -> Iterator[Options]:
    yield {"percent": 99.9}


def label(options: Options) -> str:
    return f"inner {options['percent']:g} %"


def apply(scheme: Scheme, *, percent: float = 99.9) -> Scheme:
    """percent: of values that keep inside their range."""
    if not 50 < percent <= 100:
        raise PlanError(f"[rungs.wider-margin] percent = {percent} should lie above 50 and be at most 100.")
    return dataclasses.replace(scheme, observer="percentile", percent=percent)
