"""calibration-set: take the activations' ranges from more pictures or by another observer.

"min-max" takes the least and the largest value, "percentile" leaves out the rarest values at either end, and "mse"
takes the range of least squared error that torchao finds in a histogram. It costs nothing on the device.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import cast, get_args

from edgecnn.errors import PlanError, nearest
from edgecnn.pipeline.export import calibration
from edgecnn.pipeline.export.rungs import Options, RungTrial
from edgecnn.pipeline.export.scheme import Observer, Scheme

TITLE = "Other pictures to calibrate on, or another observer of the activations."

MORE = 4
"""Factor on the plan's number of pictures, for the observer that did best."""


def tries(scheme: Scheme, outcomes: Sequence[RungTrial]) -> Iterator[Options]:
    """Try each other observer on the plan's pictures, then the best of all on more pictures."""
    for percent in (99.99, 99.9):
        yield {"observer": "percentile", "percent": percent}
    yield {"observer": "mse"}
    if len(scheme.calibration.images) == scheme.plan.calib_samples:  # otherwise no more pictures exist
        best = max(outcomes, key=lambda outcome: outcome.rank)
        yield {**best.options, "samples": MORE * scheme.plan.calib_samples}


def label(options: Options) -> str:
    observer = options.get("observer", "min-max")
    words = [f"{observer} {options.get('percent', 99.99):g}" if observer == "percentile" else observer]
    return ", ".join([*words, *([f"n {options['samples']:,}"] if options.get("samples") else [])])


def apply(scheme: Scheme, *, observer: str = "min-max", percent: float = 99.99, samples: int = 0) -> Scheme:
    """Change how the activations are observed.

    Args:
        scheme: The scheme to change.
        observer: "min-max", "percentile" or "mse".
        percent: Share of values that "percentile" keeps inside the range.
        samples: How many training pictures to observe; 0 takes the plan's number.
    """
    if observer not in get_args(Observer):
        raise PlanError(f"There is no observer named {observer!r}.", nearest(observer, get_args(Observer)))
    if not 50 < percent <= 100:
        raise PlanError(f"[rungs.calibration-set] percent = {percent} should lie above 50 and be at most 100.")
    if samples < 0:
        raise PlanError(f"[rungs.calibration-set] samples = {samples} should not be negative.")
    drawn = calibration.draw(scheme.splits, samples, scheme.plan.calib_seed) if samples else scheme.calibration
    return dataclasses.replace(scheme, observer=cast(Observer, observer), percent=percent, calibration=drawn)
