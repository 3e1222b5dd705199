"""TensorBoard: scalars, recipe and environment in an event file of the run folder.

`tensorboard --logdir runs` shows it beside other runs. It is written with tensorboardX, 0.7 MB; the package
tensorboard, 55 MB with what it needs, is needed only to look at it. tensorboardX's background thread is not used, for
it would keep the error of a full disk to itself.
"""

from __future__ import annotations

import shlex
import time
from importlib.util import find_spec
from typing import Any

from edgecnn.common import documents
from edgecnn.errors import MissingPackage
from edgecnn.pipeline.train.trackers import Ending, Metrics, TrackedTraining

PREFIX = "events"
"""How the names of event files begin."""
SHOWN = ("validation_top1_percent", "validation_loss")
"""Scalars that stand beside the recipe's keys in the tab HPARAMS."""


def check() -> None:
    """Check that tensorboardX is installed.

    Raises:
        MissingPackage: It is not.
    """
    if find_spec("tensorboardX") is None:
        raise MissingPackage("tensorboardX", "tensorboard", "Tracking with TensorBoard")


def begin(training: TrackedTraining) -> _EventFile:
    """Write the history into a new event file, in place of the one before a resume, so that no step stands twice.

    Its times are those of a training without a pause: the last epoch of the history ended now.
    """
    from tensorboardX import summary

    for path in training.folder.glob(f"{PREFIX}.*"):
        path.unlink()
    started = time.time() - sum(metrics["seconds"] for metrics in training.history)
    log = _EventFile(training)
    log.restart(started)
    for shown in summary.hparams(dict(training.recipe), dict.fromkeys(SHOWN)):
        log.write(shown, 0, started)
    for name, table in (("recipe", training.recipe), ("environment", training.environment)):
        log.write(summary.text(name, f"```json\n{documents.to_json(dict(table))}\n```"), 0, started)
    for metrics in training.history:
        started += metrics["seconds"]
        log.scalars(metrics, int(metrics["epoch"]), started)
    log.flush()
    return log


class _EventFile:
    """An event file that is open."""

    def __init__(self, training: TrackedTraining) -> None:
        from tensorboardX.event_file_writer import EventsWriter

        self.shown_by = f"tensorboard --logdir {shlex.quote(str(training.runs))}"
        self._writer = EventsWriter(str(training.folder / PREFIX))
        self._step = 0

    def restart(self, moment: float) -> None:
        """Have a TensorBoard that is running forget what it has read of an earlier file."""
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._writer.write_event(Event(wall_time=moment, session_log=SessionLog(status=SessionLog.START)))

    def write(self, summary: Any, step: int, moment: float) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=moment, step=step, summary=summary))

    def scalars(self, metrics: Metrics, step: int, moment: float) -> None:
        from tensorboardX import summary

        self._step = step
        for name, value in metrics.items():
            if name != "epoch":
                self.write(summary.scalar(name, value), step, moment)

    def flush(self) -> None:
        self._writer.flush()

    def epoch(self, metrics: Metrics) -> None:
        """Write an epoch's scalars to the disk."""
        self.scalars(metrics, int(metrics["epoch"]), time.time())
        self.flush()

    def end(self, ending: Ending, result: Metrics) -> None:
        """Write the result, at the step of the last epoch, and close the file."""
        self.scalars(result, self._step, time.time())
        self._writer.close()
