"""qat: train for a few epochs under int8 rounding (`export/qat.py`); it costs training, but nothing on the device."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from edgecnn.errors import PlanError
from edgecnn.pipeline.export import qat
from edgecnn.pipeline.export.rungs import Options, RungTrial
from edgecnn.pipeline.export.scheme import Scheme

TITLE = "A few epochs of training under int8 rounding."


def tries(scheme: Scheme, outcomes: Sequence[RungTrial]) -> Iterator[Options]:
    """Try as many epochs as the plan allows."""
    if scheme.plan.qat_epochs:
        yield {"epochs": scheme.plan.qat_epochs}


def label(options: Options) -> str:
    return f"QAT, {options['epochs']} epoch{'s' if options['epochs'] > 1 else ''}"


def apply(scheme: Scheme, *, epochs: int = 1) -> Scheme:
    """Train under int8 rounding.

    Args:
        scheme: The scheme to change.
        epochs: Passes over the training pictures.
    """
    if epochs < 1:
        raise PlanError(f"[rungs.qat] epochs = {epochs} should be at least 1.")
    return dataclasses.replace(scheme, trained=qat.train(scheme, epochs))
