"""Predict the cost of a file on a board from its operators, and that of a net before it is exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn import formats
from edgecnn.errors import UsageError
from edgecnn.formats import Operator
from edgecnn.pipeline.costs import fit
from edgecnn.records.cost_profile import CostModel, CostProfile, Unit


@dataclass(frozen=True, kw_only=True)
class OperatorPrediction:
    """The predicted cost of one operator of a file."""

    label: str
    cost: float


@dataclass(frozen=True, kw_only=True)
class CostPrediction:
    """The predicted cost of a file on a board, and the error to expect."""

    board: str
    profiled: str
    """The date of the profile, and the runtime that it was measured with."""
    unit: Unit
    cost: float
    p95_percent: float
    """The error that 95 % of the nets that nothing was fitted to stayed under."""
    median_percent: float
    tested_nets: int
    operators: tuple[OperatorPrediction, ...]


def of_file(path: Path, profile: CostProfile, num_threads: int = 1) -> CostPrediction:
    """Predict the cost of a TFLite file.

    Raises:
        UsageError: Its format, its precision or an operator of it is not in the profile.
    """
    description = formats.describe(path)
    if description.format != "tflite":
        raise UsageError(
            f"The cost of {path.name} is not predicted: profiles know TFLite files.",
            "`edgecnn bench` measures files of every format",
        )
    reader = formats.get("tflite").OPERATORS
    assert reader is not None
    return of_operators(reader.read(path.read_bytes(), {}), profile, description.precision, num_threads)


def of_operators(
    operators: tuple[Operator, ...], profile: CostProfile, precision: str, num_threads: int = 1
) -> CostPrediction:
    """Predict the cost of the operators of a file; raises as `of_file` does."""
    model: CostModel = profile.model(precision, num_threads)
    total, each = fit.cost(model.call, model.operators, operators)
    return CostPrediction(
        board=profile.board,
        profiled=f"{profile.date[:10]} with {model.runtime} {model.runtime_version}",
        unit=profile.unit,
        cost=total,
        p95_percent=model.held_out.p95_percent,
        median_percent=model.held_out.median_percent,
        tested_nets=len(model.held_out.nets),
        operators=tuple(
            OperatorPrediction(label=operator.label, cost=cost) for operator, cost in zip(operators, each, strict=True)
        ),
    )
