"""The objectives of a sweep: numbers of a finished run, each with its direction. None looks at a test picture.

A cost that is predicted, such as a board's milliseconds, is one more entry of OBJECTIVES: a function of a run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edgecnn.common import scratch
from edgecnn.errors import PlanError, nearest
from edgecnn.records import history
from edgecnn.records.run import Run

OF_AN_EPOCH = {"accuracy": "validation_top1_percent", "loss": "validation_loss"}
"""Objectives that are known after every epoch, by which a trial can be pruned, and their column of metrics.csv."""


@dataclass(frozen=True)
class Objective:
    """A number of a finished run, of which more or less is better."""

    unit: str
    direction: Literal["maximize", "minimize"]
    of: Callable[[Run], float]


def require(name: str) -> Objective:
    """Return the objective of a name. Raises PlanError, with the nearest, if there is none."""
    if name not in OBJECTIVES:
        raise PlanError(f"objectives: there is no {name!r}.", nearest(name, OBJECTIVES))
    return OBJECTIVES[name]


def _loss(run: Run) -> float:
    return history.columns(run.folder / history.FILE)["validation_loss"][-1]


def _file_bytes(run: Run) -> float:
    """Return the bytes of the int8 TFLite file that an export of the run would write."""
    from edgecnn.pipeline.export import exportable
    from edgecnn.pipeline.train import seen
    from edgecnn.records.plans import ExportPlan

    plan = ExportPlan(name="sweep", format=("tflite",), precision=("int8",))
    with scratch.folder() as work:
        model = exportable.prepare(run, seen.splits_of(run, only_unseen=True), plan)
        return exportable.write(model, "tflite", "int8", plan, work, "sweep").path.stat().st_size


OBJECTIVES = {
    "accuracy": Objective("%", "maximize", lambda run: run.validation_top1_percent),
    "loss": Objective("", "minimize", _loss),
    "params": Objective("parameters", "minimize", lambda run: run.params),
    "macs": Objective("MACs", "minimize", lambda run: run.macs),
    "file_bytes": Objective("bytes", "minimize", _file_bytes),
}
"""accuracy and loss are of the validation pictures after the last epoch; file_bytes exports every trial as int8
TFLite."""
