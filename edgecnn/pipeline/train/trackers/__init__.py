"""Trackers: plug-ins that record a training in another program's form, such as TensorBoard's (`Tracker`).

No training depends on one: a package that is missing is refused before anything is trained, and a tracker that fails
later is left out with one warning (`edgecnn.pipeline.train.tracking`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

from edgecnn.common import plugins

Metrics = Mapping[str, float]
"""Numbers by their names; those of an epoch are the columns of metrics.csv, "epoch" among them, counted from 1."""
Facts = Mapping[str, str | float | bool]
"""What a training is, by dotted keys."""
Ending = Literal["finished", "failed", "stopped"]
"""How a training ended: with a run, with an error, or because the user interrupted it."""


@dataclass(frozen=True, kw_only=True)
class TrackedTraining:
    """A training, as its trackers are told of it."""

    name: str
    """The name of its run folder."""
    folder: Path
    """A folder of the tracker's own inside the run folder. What it holds is still there when the training is resumed,
    and is removed when another training takes the run folder."""
    runs: Path
    """The folder that holds the run folders."""
    recipe: Facts
    """Every key of the recipe, such as "optim.lr"."""
    environment: Facts
    """The machine, the versions of packages, and what the training takes of them, such as "packages.torch"."""
    history: tuple[Metrics, ...] = ()
    """The epochs before a resume."""


class TrackerLog(Protocol):
    """An open record of one training."""

    shown_by: str
    """The command that shows it, or an address; empty if there is neither."""

    def epoch(self, metrics: Metrics) -> None:
        """Record an epoch that is not in the history."""
        ...

    def end(self, ending: Ending, result: Metrics) -> None:
        """Record the end, and close what is open; `result` is empty unless the training has finished.

        A process that is killed does not come here, and one that is killed afterwards may come here again.
        """
        ...


class Tracker(Protocol):
    """The interface of a tracker plug-in."""

    def check(self) -> None:
        """Check that the packages it needs are installed.

        Raises:
            MissingPackage: One is not.
        """
        ...

    def begin(self, training: TrackedTraining) -> TrackerLog:
        """Open the record of a training, which then holds the epochs of its history, each once.

        A training that was killed is begun again with the same folder, and its record goes on. The record may lack
        epochs of the history, since a kill can come between an epoch and its record.
        """
        ...


KIND = plugins.PluginKind("edgecnn.pipeline.train.trackers", "tracker", Tracker, "edgecnn.trackers")


def get(name: str) -> Tracker:
    """Return the tracker `name`.

    Raises:
        UsageError: There is no such tracker; the hint lists the known ones.
    """
    return cast(Tracker, KIND.load(name))
