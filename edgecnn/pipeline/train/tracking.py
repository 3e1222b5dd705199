"""The trackers of one training: each is told of every epoch, and one that fails is left out with one warning."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecnn.common import config, console, files, plugins
from edgecnn.pipeline.train import trackers
from edgecnn.pipeline.train.checkpoint import Epoch
from edgecnn.pipeline.train.trackers import Ending, Facts, Metrics, TrackedTraining, TrackerLog
from edgecnn.records import environment
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import TRACKING, Run, Taken

_PASSWORD = re.compile(r"(?<=://)[^/\s]+@")
"""What stands before the host in an address."""


class Tracking:
    """The open records of a training, one for each tracker that has not failed."""

    def __init__(self, logs: dict[str, TrackerLog]) -> None:
        self._logs = logs

    def epoch(self, row: Epoch) -> None:
        """Record an epoch."""
        self._each(lambda log: log.epoch(_metrics(row)))

    def finish(self, run: Run) -> None:
        """Record what has become of the training, and close the records."""
        self._end("finished", lambda: result(run))

    def give_up(self, ending: Ending) -> None:
        """Record that the training has not finished, and close the records."""
        self._end(ending, dict)

    def _end(self, ending: Ending, numbers: Callable[[], Metrics]) -> None:
        self._each(lambda log: log.end(ending, numbers()))
        self._logs.clear()

    def _each(self, tell: Callable[[TrackerLog], None]) -> None:
        for name, log in list(self._logs.items()):
            with _left_out_if_it_fails(name, self._logs):
                tell(log)


def require(names: Sequence[str]) -> None:
    """Check that trackers can be used.

    Raises:
        UsageError: There is no tracker of a name; the hint lists the known ones.
        EnvironmentUnfit: A package is missing, or another distribution's tracker cannot be loaded.
    """
    for name in names:
        trackers.get(name).check()


@contextlib.contextmanager
def tracked(
    names: Sequence[str], recipe: Recipe, taken: Taken, folder: Path, history: Sequence[Epoch]
) -> Iterator[Tracking]:
    """Open the record of a training in each tracker; what is not finished in the end is recorded as that.

    Args:
        names: The trackers, which `require` has checked.
        recipe: What is trained.
        taken: What the training takes of its machine.
        folder: The run folder, which this training has claimed.
        history: The epochs before a resume.
    """
    facts = {**environment.to_table(environment.here()), "training": config.table_of(taken)} if names else {}
    logs: dict[str, TrackerLog] = {}
    for name in dict.fromkeys(names):
        with _left_out_if_it_fails(name, logs):
            log = trackers.get(name).begin(
                TrackedTraining(
                    name=folder.name,
                    folder=files.make_folder(folder / TRACKING / name),
                    runs=folder.parent,
                    recipe=_plain(config.table_of(recipe)),
                    environment=_plain(facts),
                    history=tuple(map(_metrics, history)),
                )
            )
            console.note(f"tracked by {name}" + (f": {log.shown_by}" if log.shown_by else ""))
            logs[name] = log
    for left in sorted({path.name for path in (folder / TRACKING).glob("*")} - {*names}):
        console.note(f"{left} has tracked this training until now; --track {left} goes on with it")
    tracking = Tracking(logs)
    try:
        yield tracking
    except KeyboardInterrupt:
        tracking.give_up("stopped")
        raise
    except BaseException:
        tracking.give_up("failed")
        raise


def result(run: Run) -> Metrics:
    """Return the numbers by which a finished run is quoted."""
    top1 = run.validation_top1
    return {
        "final_top1_percent": top1.percent,
        "final_top1_low_percent": top1.low_percent,
        "final_top1_high_percent": top1.high_percent,
        "final_n": run.validation_n,
        "params": run.params,
        "macs": run.macs,
        "train_seconds": run.train_seconds,
    }


@contextlib.contextmanager
def _left_out_if_it_fails(name: str, logs: dict[str, TrackerLog]) -> Iterator[None]:
    """Turn any exception of a tracker into one warning, and leave the tracker out from then on."""
    try:
        yield
    except Exception as error:  # a library of others, a server of others, a full disk
        logs.pop(name, None)
        reason = _PASSWORD.sub("***@", plugins.reason(error))
        console.warn(f"{name} does not track this training any further, which goes on: {reason}")


def _metrics(row: Epoch) -> Metrics:
    return dataclasses.asdict(row)


def _plain(table: Mapping[str, Any]) -> Facts:
    """Return all values by their dotted keys; a list becomes its items, with commas."""
    return {
        key: value if isinstance(value, (str, int, float)) else ", ".join(map(str, value))
        for key, value in config.flat(table)
    }
