"""ONNX Runtime keeps telemetry unless it is told not to: nothing of it is left behind by any of our processes."""

import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tiny_models
from jobs import job_of

from edgecnn.common import config
from edgecnn.onboard import archive as ship
from edgecnn.onboard.job import Timing

KERNEL = tiny_models.weights(8, 8, 1, 10)
OFF = (
    "ORT_DISABLE_TELEMETRY",
    *("CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "TRAVIS", "JENKINS_URL", "CODEBUILD_BUILD_ID"),
    *("BUILDKITE", "TEAMCITY_VERSION", "APPVEYOR", "BITBUCKET_BUILD_NUMBER"),
)
"""ONNX Runtime 1.31 keeps no telemetry where one of these is set: most are those of continuous integration."""
KEPT = ("deviceid", "onnxruntime.db", ".ses")


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """An environment whose home, cache and temporary folder are empty."""
    folders = {name: tmp_path / "places" / name for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    mine = {name: value for name, value in os.environ.items() if name not in OFF}
    return mine | {name: str(folder) for name, folder in folders.items()}


def left_in(places: dict[str, str]) -> set[str]:
    """Names of what an engine has left in the places of this user."""
    folders = [Path(places[name]) for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR")]
    return {path.name for folder in folders for path in folder.rglob("*")} - {"edgecnn", ".cache"}


def test_the_engine_by_itself_leaves_files_behind(places: dict[str, str]) -> None:
    """The other tests hold against this: an ONNX Runtime that leaves no files makes it, and them, needless."""
    subprocess.run([sys.executable, "-c", "import onnxruntime"], env=places, check=True)
    assert left_in(places).intersection(KEPT)


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "m.onnx"),
        ("doctor", "m.onnx"),
        ("doctor",),
        ("selftest", "m.onnx", "--record", "golden.npz"),
        ("verify", "m.onnx", "--data", "digits", "--limit", "8"),
        ("bench", "m.onnx", "-s", "rounds=1", "--num-runs", "2", "--min-secs", "0", "--warmup-runs", "1"),
    ],
    ids=" ".join,
)
def test_no_command_leaves_anything_behind(words: tuple[str, ...], places: dict[str, str], tmp_path: Path) -> None:
    tiny_models.linear_onnx(tmp_path / "m.onnx", KERNEL)
    done = subprocess.run(
        [sys.executable, "-m", "edgecnn", *words], env=places, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1, 2), done.stderr  # random weights fail a gate, and that is an answer too
    assert left_in(places).isdisjoint(KEPT)


def test_the_worker_of_a_board_leaves_nothing_behind(places: dict[str, str], tmp_path: Path) -> None:
    ship.write_worker(tmp_path / "worker.pyz")
    job = job_of(tiny_models.linear_onnx(tmp_path / "m.onnx", KERNEL), "onnxruntime")
    job = dataclasses.replace(job, window=Timing(warmup_runs=0, num_runs=1, min_secs=0.0))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "worker.pyz"), "run"],
        input=json.dumps(config.table_of(job)),
        env=places,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["outcome"]["window"]
    assert left_in(places) == set()


def test_the_runner_of_a_bundle_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "runner.pyz").write_bytes(ship.runner())
    with zipfile.ZipFile(tmp_path / "runner.pyz") as archive:
        assert b"ORT_DISABLE_TELEMETRY" in archive.read("edgecnn/__init__.py")
