"""MLflow: a run in the database mlflow.db beside the run folders, or wherever MLFLOW_TRACKING_URI says.

`mlflow ui --backend-store-uri sqlite:///runs/mlflow.db` shows it. Without MLFLOW_TRACKING_URI nothing leaves this
machine, and MLflow's own telemetry is off in any case.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from edgecnn.common import files
from edgecnn.errors import MissingPackage
from edgecnn.pipeline.train.trackers import Ending, Metrics, TrackedTraining

if TYPE_CHECKING:
    from mlflow.entities import Param, Run
    from mlflow.tracking import MlflowClient

PACKAGES = {"mlflow": "mlflow-skinny", "sqlalchemy": "sqlalchemy", "alembic": "alembic"}
"""Modules it imports, and the packages that bring them: 150 MB with what they need, of the 850 MB of mlflow."""
DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Settings for whoever has made none: a server that is away costs a training seconds; MLflow itself waits for hours."""
DATABASE = "mlflow.db"
EXPERIMENT = "edgecnn"
"""The experiment, unless MLFLOW_EXPERIMENT_NAME names another."""
TAG = "edgecnn.training"
TRACKED = "training.txt"
"""Keeps the value of the tag by which this training's run is found again."""
MOST_AT_ONCE = 100
"""The most parameters that MLflow takes in one request."""
STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}


def check() -> None:
    """Check that MLflow is installed, with what it needs to write a database.

    Raises:
        MissingPackage: It is not.
    """
    for module, package in PACKAGES.items():
        if find_spec(module) is None:
            raise MissingPackage(package, "mlflow", "Tracking with MLflow")


def begin(training: TrackedTraining) -> _MlflowRun:
    """Continue the run of the training's folder, or create one with the recipe and the environment."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    from mlflow.entities import Param
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):  # they tell of every table they make, and of every try
        logging.getLogger(name).setLevel(logging.ERROR)
    address = os.environ.get("MLFLOW_TRACKING_URI") or _own_database(training.runs.resolve() / DATABASE)
    client = MlflowClient(tracking_uri=address, registry_uri=address)
    run = _found_or_created(client, training)
    missing = {key: value for key, value in _legible(training.recipe).items() if key not in run.data.params}
    for params in _portions([Param(*pair) for pair in missing.items()]):
        client.log_batch(run.info.run_id, params=params, synchronous=True)
    log = _MlflowRun(client, run)
    log.shown_by = f"mlflow ui --backend-store-uri {shlex.quote(address)}" if address.startswith("sqlite:") else ""
    for metrics in training.history:
        log.epoch(metrics)
    return log


class _MlflowRun:
    """A run of MLflow's that is open."""

    shown_by = ""

    def __init__(self, client: MlflowClient, run: Run) -> None:
        self._client = client
        self._run_id = run.info.run_id
        self._present = {  # (name, step) of every metric that a killed training has recorded
            (name, metric.step) for name in run.data.metrics for metric in client.get_metric_history(self._run_id, name)
        }
        self._step = 0

    def epoch(self, metrics: Metrics) -> None:
        """Record an epoch's metrics, but for those that are recorded already."""
        self._step = int(metrics["epoch"])
        self._record({name: value for name, value in metrics.items() if name != "epoch"})

    def end(self, ending: Ending, result: Metrics) -> None:
        """Record the result, at the step of the last epoch, and how the training ended."""
        self._record(result)
        self._client.set_terminated(self._run_id, STATUS[ending])

    def _record(self, metrics: Metrics) -> None:
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        fresh = [
            Metric(name, value, now_ms, self._step)
            for name, value in metrics.items()
            if (name, self._step) not in self._present
        ]
        if fresh:
            self._client.log_batch(self._run_id, fresh, synchronous=True)


def _own_database(path: Path) -> str:
    """Return the address of a database that can be written; MLflow would try again and again for minutes."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("BEGIN IMMEDIATE")
    return f"sqlite:///{quote(str(path))}"


def _found_or_created(client: MlflowClient, training: TrackedTraining) -> Run:
    """Return the run whose tag names this training; the tag is kept in the folder before the run is created.

    So a kill leaves no run that a resume would not find.
    """
    from mlflow.exceptions import MlflowException

    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    if client.get_experiment_by_name(name) is None:
        with contextlib.suppress(MlflowException):  # another training has been quicker
            client.create_experiment(name)
    experiment = client.get_experiment_by_name(name)
    path = training.folder / TRACKED
    if not path.is_file():
        files.write_text(path, uuid.uuid4().hex)
    tag = path.read_text(encoding="utf-8")
    for run in client.search_runs([experiment.experiment_id], f"tags.`{TAG}` = '{tag}'"):
        client.update_run(run.info.run_id, status="RUNNING")
        return run
    tags = {**_legible(training.environment), TAG: tag}
    return client.create_run(experiment.experiment_id, tags=tags, run_name=training.name)


def _legible(table: Mapping[str, object]) -> dict[str, str]:
    """Return values as texts, under keys in letters that MLflow takes."""
    return {re.sub(r"[^\w.\-/ ]", "_", key): str(value) for key, value in table.items()}


def _portions(params: list[Param]) -> Iterator[list[Param]]:
    """Yield as many parameters at once as MLflow takes."""
    for start in range(0, len(params), MOST_AT_ONCE):
        yield params[start : start + MOST_AT_ONCE]
