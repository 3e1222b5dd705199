"""Trackers are told of every epoch once, also across kills, and a training outlives whatever they do."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT

from edgecnn.errors import EnvironmentUnfit, GateFailed, MissingPackage, UsageError
from edgecnn.pipeline.train import trackers, tracking
from edgecnn.pipeline.train.trackers import Metrics, TrackedTraining
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import is_free, open_run

# MLflow's own use of SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

SHORT = ("epochs=2", "num_threads=1", "precision=fp32", "net.width=8", "net.depth=1")


def recipe(*overrides: str) -> Recipe:
    return plans.load_recipe("dscnn-digits", (*SHORT, *overrides))


class Diary:
    """A tracker that remembers what it is told, and fails where it should."""

    shown_by = ""

    def __init__(self, fails_in: str = "") -> None:
        self.fails_in = fails_in
        self.told: list[str] = []
        self.training: TrackedTraining | None = None
        self.rows: list[Metrics] = []
        self.result: Metrics = {}

    def check(self) -> None:
        self._tell("check")

    def begin(self, training: TrackedTraining) -> Diary:
        self.training = training
        self._tell("begin")
        return self

    def epoch(self, metrics: Metrics) -> None:
        self.rows.append(metrics)
        self._tell(f"epoch {metrics['epoch']}")

    def end(self, ending: str, result: Metrics) -> None:
        self.result = result
        self._tell(ending)

    def _tell(self, moment: str) -> None:
        self.told.append(moment)
        if moment == self.fails_in:
            raise OSError(28, "No space left on http://me:sec@ret@device")


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> Diary:
    kept = Diary()
    monkeypatch.setattr(trackers, "get", lambda name: kept)
    return kept


def test_a_training_is_told_from_its_begin_to_its_end(diary: Diary, tmp_path: Path) -> None:
    run = train(recipe(), tmp_path / "run", trackers=["diary"])
    assert diary.told == ["check", "begin", "epoch 1", "epoch 2", "finished"]
    with (run.folder / "metrics.csv").open(encoding="utf-8") as stream:
        written = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
    assert [{name: float(f"{value:.6g}") for name, value in row.items()} for row in diary.rows] == written
    assert diary.result["final_top1_percent"] == pytest.approx(run.validation_top1_percent)
    assert diary.result["final_top1_low_percent"] < diary.result["final_top1_percent"]
    assert diary.result["final_n"] == run.validation_n
    assert diary.training is not None
    assert diary.training.folder == tmp_path / "run" / "tracking" / "diary"
    told = {**diary.training.recipe, **diary.training.environment}
    assert (told["optim.lr"], told["net.width"], told["data.name"]) == (run.recipe.optim.lr, 8, "digits")
    assert (told["training.precision"], "packages.torch" in told, "cpu" in told) == ("fp32", True, True)
    assert all(isinstance(value, (str, int, float)) for value in told.values())


@pytest.mark.parametrize("moment", ["begin", "epoch 1", "epoch 2", "finished"])
def test_a_tracker_that_fails_is_one_warning_and_the_training_goes_on(
    moment: str, diary: Diary, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diary.fails_in = moment
    run = train(recipe(), tmp_path / "run", trackers=["diary"])
    assert open_run(run.folder) == run
    assert diary.told[-1] == moment
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: diary does not track this training any further, which goes on: OSError: ")
    assert warnings[0].endswith("http://***@device")


@pytest.mark.parametrize(
    ("stop", "ending"), [(KeyboardInterrupt, "stopped"), (RuntimeError, "failed"), (SystemExit, "failed")]
)
def test_a_training_that_does_not_finish_is_recorded_as_that(
    stop: type[BaseException], ending: str, diary: Diary, tmp_path: Path
) -> None:
    def end(epoch: int, _net: object) -> None:
        if epoch == 1:
            raise stop

    with pytest.raises(stop):
        train(recipe(), tmp_path / "run", watch=end, trackers=["diary"])
    assert diary.told[-2:] == ["epoch 1", ending]
    assert diary.result == {}


def test_a_loss_that_is_not_finite_is_recorded_as_a_failure(diary: Diary, tmp_path: Path) -> None:
    with pytest.raises(GateFailed):
        train(recipe("optim.lr=1e30", "optim.name=sgd"), tmp_path / "run", trackers=["diary"])
    assert diary.told[-1] == "failed"


def test_a_tracker_that_cannot_be_used_is_refused_before_anything_is_trained(
    diary: Diary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def lacking() -> None:
        raise MissingPackage("diary", "diary", "Tracking")

    monkeypatch.setattr(diary, "check", lacking)
    with pytest.raises(EnvironmentUnfit, match="needs the package 'diary'") as caught:
        train(recipe(), tmp_path / "run", trackers=["diary"])
    assert caught.value.hint == "pip install 'edgecnn[diary]'"
    assert not (tmp_path / "run").exists()


def test_an_unknown_tracker_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no tracker named 'ml-flow'") as caught:
        train(recipe(), tmp_path / "run", trackers=["ml-flow"])
    assert "did you mean 'mlflow'" in (caught.value.hint or "")
    assert not (tmp_path / "run").exists()


def test_a_resume_without_the_tracker_says_how_to_go_on_with_it(
    diary: Diary, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(epoch: int, _net: object) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe(), tmp_path / "run", watch=end, trackers=["diary"])
    train(recipe(), tmp_path / "run", resume=True)
    assert "diary has tracked this training until now; --track diary goes on with it" in capsys.readouterr().err
    assert diary.told[-1] == "stopped"


def test_what_trackers_keep_does_not_hold_a_folder_in_which_nothing_was_learnt(diary: Diary, tmp_path: Path) -> None:
    def end(epoch: int, _net: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe(), tmp_path / "run", watch=end, trackers=["diary"])
    (tmp_path / "run" / "tracking" / "diary" / "kept").touch()
    assert is_free(tmp_path / "run")
    train(recipe(), tmp_path / "run", trackers=["diary"])
    assert not (tmp_path / "run" / "tracking" / "diary" / "kept").exists()


def test_weights_do_not_depend_on_who_watches(tmp_path: Path) -> None:
    alone = train(recipe(), tmp_path / "alone")
    tracked = train(recipe(), tmp_path / "tracked", trackers=tuple(STEPS))
    assert tracked.weights.read_bytes() == alone.weights.read_bytes()


CHILD = """
import os, signal, sys
from pathlib import Path
from edgecnn.pipeline.train import tracking
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

record, settings, moment = tracking.Tracking.epoch, sys.argv[4:], sys.argv[3]
def epoch(self, row):
    if row.epoch == 2 and moment == "before":
        die()
    record(self, row)
    if row.epoch == 2 and moment == "after":
        die()
tracking.Tracking.epoch = epoch
if moment == "at the end":
    import edgecnn.pipeline.train.train as verb
    verb.write_facts = die
train(plans.load_recipe("dscnn-digits", settings), Path(sys.argv[1]), trackers=sys.argv[2].split(","))
"""


def killed(folder: Path, names: str, moment: str) -> Path:
    """A training that was killed in its second of three epochs, before or after that was recorded, or at the end."""
    command = [sys.executable, "-c", CHILD, str(folder), names, moment, *SHORT, "epochs=3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return folder


def tensorboard_steps(folder: Path) -> dict[str, list[int]]:
    import event_files

    scalars = event_files.scalars(folder / "tracking" / "tensorboard")
    return {name: [step for step, _ in values] for name, values in scalars.items()}


def mlflow_steps(folder: Path) -> dict[str, list[int]]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder.parent / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("edgecnn").experiment_id])
    assert run.info.status == "FINISHED"
    histories: dict[str, Any] = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    return {name: [metric.step for metric in history] for name, history in histories.items()}


STEPS: dict[str, Callable[[Path], dict[str, list[int]]]] = {
    "tensorboard": tensorboard_steps,
    "mlflow": mlflow_steps,
}


@pytest.mark.parametrize("moment", ["before", "after", "at the end"])
def test_a_killed_training_goes_on_in_the_same_record_with_every_step_once(moment: str, tmp_path: Path) -> None:
    folder = killed(tmp_path / "runs" / "run", ",".join(STEPS), moment)
    run = train(recipe("epochs=3"), folder, resume=True, trackers=tuple(STEPS))
    for name, steps in STEPS.items():
        recorded = steps(folder)
        for column in ("train_loss", "validation_top1_percent", "lr"):
            assert recorded[column] == [1, 2, 3], (name, column)
        for number in tracking.result(run):
            assert recorded[number] == [3], (name, number)
