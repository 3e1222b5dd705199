"""Every tracker keeps its contract, and what it records can be read as its program reads it."""

from __future__ import annotations

import dataclasses
import http.server
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import disks
import event_files
import pytest
from checkout import ROOT
from mlflow.tracking import MlflowClient

from edgecnn.common import plugins
from edgecnn.errors import MissingPackage
from edgecnn.pipeline.train import trackers
from edgecnn.pipeline.train.trackers import TrackedTraining, mlflow, tensorboard
from edgecnn.testing import trackers as trackers_owe

# MLflow's own use of SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

NAMES = plugins.own_names(trackers.KIND.package)


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own MLflow is out of it."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", *mlflow.DEFAULTS):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def training(tmp_path: Path) -> TrackedTraining:
    folder = tmp_path / "runs" / "a run" / "tracking" / "any"
    folder.mkdir(parents=True)
    return trackers_owe.told(folder)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", trackers_owe.CHECKS, ids=lambda check: check.__name__)
def test_every_tracker_keeps_its_contract(name: str, check: Callable[[str], None]) -> None:
    check(name)


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "tensorboardX"), ("mlflow", "mlflow")])
def test_a_missing_package_is_said_with_its_extra(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = plugins.importlib.util.find_spec  # type: ignore[attr-defined]
    tracker = trackers.get(name)
    monkeypatch.setattr(tracker, "find_spec", lambda wanted: None if wanted == module else find_spec(wanted))
    with pytest.raises(MissingPackage) as caught:
        tracker.check()
    assert caught.value.hint == f"pip install 'edgecnn[{name}]'"


def test_tensorboard_shows_scalars_texts_and_hyperparameters(training: TrackedTraining) -> None:
    log = tensorboard.begin(training)
    for metrics in trackers_owe.epochs(1, 2):
        log.epoch(metrics)
    log.end("finished", trackers_owe.RESULT)
    recorded = event_files.scalars(training.folder)
    assert recorded["train_loss"] == [(1, 1.0), (2, 0.5)]
    assert recorded["final_top1_percent"] == [(2, 50.0)]
    assert "epoch" not in recorded
    shown = event_files.texts(training.folder)
    assert json.loads(shown["recipe"].strip("`json\n")) == trackers_owe.RECIPE
    assert json.loads(shown["environment"].strip("`json\n")) == trackers_owe.ENVIRONMENT
    tags = {value.tag for event in event_files.events(training.folder) for value in event.summary.value}
    assert {"_hparams_/experiment", "_hparams_/session_start_info"} <= tags


def test_tensorboard_tells_times_as_if_there_had_been_no_pause(training: TrackedTraining) -> None:
    tensorboard.begin(trackers_owe.told(training.folder, trackers_owe.epochs(1, 3))).end("stopped", {})
    losses = [
        event.wall_time
        for event in event_files.events(training.folder)
        for value in event.summary.value
        if value.tag == "train_loss"
    ]
    assert [round(after - before, 3) for before, after in itertools.pairwise(losses)] == [0.5, 0.5]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the file that cannot be closed
def test_a_full_disk_is_an_error_of_the_epoch_that_it_stops(training: TrackedTraining, tmp_path: Path) -> None:
    with disks.of_kb(16, tmp_path / "small") as small:
        log = tensorboard.begin(dataclasses.replace(training, folder=small))
        with pytest.raises(OSError, match="No space left"):
            list(map(log.epoch, trackers_owe.epochs(1, 1000)))


def test_mlflow_keeps_recipe_environment_metrics_and_result(training: TrackedTraining) -> None:
    log = mlflow.begin(training)
    for metrics in trackers_owe.epochs(1, 2):
        log.epoch(metrics)
    log.end("finished", trackers_owe.RESULT)
    address = f"sqlite:///{training.runs / 'mlflow.db'}"
    assert log.shown_by == f"mlflow ui --backend-store-uri {address}"
    client = MlflowClient(tracking_uri=address)
    (run,) = client.search_runs([client.get_experiment_by_name("edgecnn").experiment_id])
    assert (run.info.run_name, run.info.status) == ("a run", "FINISHED")
    assert run.data.params == {key: str(value) for key, value in trackers_owe.RECIPE.items()}
    assert {key: str(value) for key, value in trackers_owe.ENVIRONMENT.items()}.items() <= run.data.tags.items()
    assert run.data.metrics == {"train_loss": 0.5, "seconds": 0.5, "lr": 0.0, **trackers_owe.RESULT}
    assert sorted(path.name for path in training.runs.iterdir()) == ["a run", "mlflow.db"]


def test_mlflow_sends_nothing_of_its_own(training: TrackedTraining) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from edgecnn.pipeline.train.trackers import TrackedTraining, mlflow\n"
        "place = Path(sys.argv[1])\n"
        "mlflow.begin(TrackedTraining(name='x', folder=place, runs=place, recipe={}, environment={}))\n"
        "from mlflow.telemetry import client; print(client.get_telemetry_client())"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "MLFLOW_DISABLE_TELEMETRY")}
    command = [sys.executable, "-c", code, str(training.folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_mlflow_in_a_place_that_cannot_be_written_fails_at_once(training: TrackedTraining) -> None:
    (training.runs / "mlflow.db").mkdir()
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file"):
        mlflow.begin(training)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The requests to a server that MLFLOW_TRACKING_URI names and that is out of order."""
    requests: list[str] = []

    class Broken(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_error(503)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        yield requests
        server.shutdown()
        thread.join()


def test_mlflow_asks_the_users_own_server_and_gives_up_soon(training: TrackedTraining, asked: list[str]) -> None:
    with pytest.raises(Exception, match="503"):
        mlflow.begin(training)
    assert 0 < len(asked) < 10
    assert not (training.runs / "mlflow.db").exists()
