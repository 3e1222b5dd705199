"""The output of `edgecnn board profile`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecnn.common import console, documents
from edgecnn.common.escapes import say
from edgecnn.common.units import duration
from edgecnn.pipeline.costs.predict import CostPrediction
from edgecnn.records import cost_profile, environment
from edgecnn.records.cost_profile import CostModel, CostProfile, HeldOutNet, Unit
from edgecnn.records.environment import Environment

DEAREST = 6
"""How many operators of a file are listed."""


def show(profile: CostProfile, as_json: bool = False) -> None:
    """Print how far off predictions are, a line for each model and each architecture."""
    if as_json:
        say(documents.to_json(cost_profile.to_table(profile)))
        return
    say(f"{profile.board}: {environment.machine_name(profile.environment)}, {profile.unit} of one inference\n")
    console.table(
        ["files", "threads", "runtime", "fitted to", "net", "nets", "median error", "95 % under", "largest"],
        [row for model in profile.models for row in _rows(model)],
    )


def _rows(model: CostModel) -> list[list[str]]:
    head = [
        model.precision, str(model.num_threads), f"{model.runtime} {model.runtime_version}",
        f"{model.fitted_files} files",
    ]  # fmt: skip
    names = dict.fromkeys(net.net for net in model.held_out.nets)
    parts = [("all", model.held_out.nets)] + [
        (name, tuple(net for net in model.held_out.nets if net.net == name)) for name in names
    ]
    return [[*(head if name == "all" else [""] * len(head)), name, *errors(nets)] for name, nets in parts]


def errors(nets: Sequence[HeldOutNet]) -> list[str]:
    """Return the number of nets, and the median, the 95th percentile and the largest of their errors."""
    percents = [net.error_percent for net in nets]
    values = (np.median(percents), np.percentile(percents, 95), max(percents))
    return [str(len(nets)), *(f"{value:.1f} %" for value in values)]


def amount(cost: float, unit: Unit) -> str:
    """Return a cost in words: "1,163 k instructions", "79 µs"."""
    return duration(cost) if unit == "ms" else f"{cost / 1000:,.0f} k instructions"


def warn_of_another_machine(profile: CostProfile, machine: Environment) -> None:
    """Warn if a profile was measured on another machine than the one that is asked about."""
    if others := environment.differences(machine, profile.environment):
        console.warn(f"The profile of {profile.board} was measured on another machine ({'; '.join(others)}).")


def show_prediction(prediction: CostPrediction) -> None:
    """Print what a file costs on a board, how sure that is, and the operators that cost most."""
    say(f"\n{sentence(prediction)}\n")
    dearest = sorted(prediction.operators, key=lambda operator: -operator.cost)[:DEAREST]
    console.table(
        ["dearest operators", "predicted", "share"],
        [
            [operator.label, amount(operator.cost, prediction.unit), f"{100 * operator.cost / prediction.cost:.0f} %"]
            for operator in dearest
        ],
    )


def sentence(prediction: CostPrediction) -> str:
    """Return a prediction and its error in words."""
    return (
        f"Predicted on {prediction.board} (profiled {prediction.profiled}): "
        f"{amount(prediction.cost, prediction.unit)}, within {prediction.p95_percent:.1f} % for 95 % of "
        f"{prediction.tested_nets} nets that nothing was fitted to (median error {prediction.median_percent:.1f} %)."
    )
