"""The conformance check of a tracker, on trainings of which nothing but the numbers is made."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from edgecnn.common import scratch
from edgecnn.pipeline.train import trackers
from edgecnn.pipeline.train.trackers import Facts, Metrics, TrackedTraining
from edgecnn.testing._asserting import require

RECIPE: Facts = {
    "name": "ü",
    "data.path": "/a folder/of 'pictures'",
    "optim.lr": 0.1,
    "augment.flip": True,
    "net.name": "",
}
ENVIRONMENT: Facts = {"cpu": "Cortex-A76", "cores": 4, "packages.torch": "2.13.0+cpu"}
RESULT = {"final_top1_percent": 50.0, "final_n": 10, "train_seconds": 1.5}

KILLED = """
import os, sys
from pathlib import Path
from edgecnn.pipeline.train import trackers
from edgecnn.testing import trackers as made
name, folder = sys.argv[1], Path(sys.argv[2])
trackers.get(name).begin(made.told(folder)).epoch(*made.epochs(1, 1))
os._exit(0)
"""
"""A training that ends in its second epoch, with no word to its trackers."""


def epochs(first: int, last: int) -> tuple[Metrics, ...]:
    """Return the metrics of some epochs."""
    return tuple({"epoch": n, "train_loss": 1 / n, "seconds": 0.5, "lr": 0.0} for n in range(first, last + 1))


@contextlib.contextmanager
def training(name: str) -> Iterator[TrackedTraining]:
    """Yield a training that has not begun, whose run folder holds a recipe and a folder for the tracker."""
    with scratch.folder() as runs:
        folder = runs / "a run" / "tracking" / name
        folder.mkdir(parents=True)
        (runs / "a run" / "recipe.toml").touch()
        yield told(folder)


def told(folder: Path, history: tuple[Metrics, ...] = ()) -> TrackedTraining:
    """Return what is told of a training to the tracker whose folder this is; a resumed training has a history."""
    runs = folder.parents[2]
    return TrackedTraining(
        name="a run", folder=folder, runs=runs, recipe=RECIPE, environment=ENVIRONMENT, history=history
    )


def records_a_training_from_its_begin_to_its_end(name: str) -> None:
    tracker = trackers.get(name)
    tracker.check()
    with training(name) as fresh:
        log = tracker.begin(fresh)
        require(isinstance(log.shown_by, str), f"{name}: shown_by is no text")
        for metrics in epochs(1, 3):
            log.epoch(metrics)
        log.end("finished", RESULT)


def records_a_training_that_fails_or_is_stopped(name: str) -> None:
    for ending in ("failed", "stopped"):
        with training(name) as fresh:
            trackers.get(name).begin(fresh).end(ending, {})


def goes_on_after_a_kill(name: str) -> None:
    with training(name) as fresh:
        subprocess.run([sys.executable, "-c", KILLED, name, str(fresh.folder)], check=True)
        log = trackers.get(name).begin(told(fresh.folder, epochs(1, 2)))  # it was killed before the second was recorded
        log.epoch(*epochs(3, 3))
        log.end("finished", RESULT)
        trackers.get(name).begin(told(fresh.folder, epochs(1, 3))).end("finished", RESULT)


def leaves_the_run_folder_and_stdout_alone(name: str) -> None:
    with training(name) as fresh, contextlib.redirect_stdout(io.StringIO()) as printed:
        log = trackers.get(name).begin(fresh)
        log.epoch(*epochs(1, 1))
        log.end("finished", RESULT)
        run = fresh.folder.parents[1]
        strange = {path.name for path in run.iterdir()} - {"recipe.toml", fresh.folder.parent.name}
        strange |= {path.name for path in fresh.folder.parent.iterdir()} - {name}
    require(not strange, f"{name} writes {', '.join(sorted(strange))} into the run folder, outside of its own")
    require(not printed.getvalue(), f"{name} prints to stdout, where the result belongs")


CHECKS: tuple[Callable[[str], None], ...] = (
    records_a_training_from_its_begin_to_its_end,
    records_a_training_that_fails_or_is_stopped,
    goes_on_after_a_kill,
    leaves_the_run_folder_and_stdout_alone,
)
