"""Names and labels that are not ASCII, on machines whose locale is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import small_bundles
import sshd
from checkout import ROOT
from data_samples import class_folders
from lent import lending
from sshd import Sshd, board

from edgecnn.records.run import open_run

__all__ = ["board", "lending"]

ASCII = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
NAME = "Blüten 花"
CLASSES = ("Grün", "Äpfel, rot", "花")
QUICK = ("--warmup-runs", "1", "--num-runs", "3", "--min-secs", "0", "--rounds", "1")
TRAINING = ("epochs=1", "num_threads=1", "precision=fp32", "net.width=4", "net.depth=1", "batch_size=8")


def edgecnn(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in an ASCII locale."""
    command = [sys.executable, "-m", "edgecnn", *words]
    env = {**os.environ, **ASCII, **environment}
    done = subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained and exported in an ASCII locale."""
    folder = tmp_path_factory.mktemp("locale")
    pictures = class_folders(folder / "Bilder für uns", CLASSES, count=20)
    settings = [word for setting in TRAINING for word in ("-s", setting)]
    output = ("--output", str(folder), "--name", NAME)
    edgecnn("train", "dscnn-digits", "--data", str(pictures), *settings, *output)
    edgecnn("export", str(folder / NAME), "--format", "tflite", "--max-drop", "100")
    return folder / NAME


def test_a_run_keeps_its_name_and_labels(run: Path) -> None:
    assert sorted(open_run(run).labels) == sorted(CLASSES)
    assert (run / "artifacts" / f"{NAME}-int8.tflite").is_file()
    cards = [json.loads(path.read_text(encoding="utf-8")) for path in (run / "artifacts").glob("*.tflite.json")]
    assert {(card["run"], tuple(sorted(card["labels"]))) for card in cards} == {(NAME, tuple(sorted(CLASSES)))}


def test_what_is_measured_and_told_names_it(run: Path, tmp_path: Path) -> None:
    file = run / "artifacts" / f"{NAME}-int8.tflite"
    edgecnn("bench", str(file), *QUICK, "-o", str(tmp_path / "ü.json"))
    report = json.loads((tmp_path / "ü.json").read_text(encoding="utf-8"))
    assert [measurement["file"] for measurement in report["measurements"]] == [f"{NAME}-int8.tflite"]
    edgecnn("inspect", str(run))
    assert NAME in edgecnn("inspect", str(file)).stdout


def test_a_terminal_that_is_ascii_shows_what_it_can(run: Path) -> None:
    file = run / "artifacts" / f"{NAME}-int8.tflite"
    assert r"Bl\xfcten \u82b1" in edgecnn("inspect", str(file), PYTHONIOENCODING="ascii").stdout


def test_an_error_about_a_name_is_still_one_sentence() -> None:
    command = [sys.executable, "-m", "edgecnn", "inspect", "Äpfel"]
    done = subprocess.run(command, env={**os.environ, **ASCII}, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 64
    assert "Äpfel" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_mode_is_asked_for_once(tmp_path: Path) -> None:
    """Isolated from the environment that asks for it, a process goes on as it is."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from edgecnn.common import utf8; utf8.insist();"
        "print('on', chr(252))"
    )
    root = str(ROOT)
    command = [sys.executable, "-I", "-X", "utf8=0", "-c", code, root]
    done = subprocess.run(command, env={**os.environ, **ASCII}, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (0, "on \\xfc\n"), done.stderr


def test_a_bundle_runs_there_by_hand(run: Path, tmp_path: Path) -> None:
    edgecnn("deploy", str(run), "--output", str(tmp_path / "Bündel"))
    picture = next((run.parent / "Bilder für uns" / "Grün").iterdir())

    def bundle(*words: str) -> str:
        command = [sys.executable, str(tmp_path / "Bündel" / "edgecnn.pyz"), *words]
        done = subprocess.run(command, env={**os.environ, **ASCII}, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    answer = json.loads(bundle("classify", str(picture)))
    assert answer["label"] in CLASSES
    assert answer["picture"] == str(picture)
    assert json.loads(bundle("selftest", "--json"))["model"] == f"{NAME}-int8.tflite"


@sshd.needed
def test_a_board_whose_locale_is_ascii_takes_it(run: Path, lending: Sshd, tmp_path: Path) -> None:
    lending.limits.write_text("".join(f"export {name}={value}\n" for name, value in ASCII.items()), encoding="utf-8")
    on_board = ("--board", "ssh://board")
    edgecnn("bench", str(run), *on_board, *QUICK, "-o", str(tmp_path / "out.json"))
    done = json.loads(edgecnn("deploy", str(run), *on_board, "--json").stdout)
    assert done["selftest"]["verdict"] == "identical"
    picture = small_bundles.picture(small_bundles.images(1)[0])
    there = lending.home / "edgecnn" / done["name"] / "run"
    command = ["sh", "-c", f'. {lending.limits}; exec "$@"', "sh", str(there), "classify", "-"]
    said = subprocess.run(command, input=picture, capture_output=True, check=True).stdout
    assert json.loads(said.decode("utf-8"))["label"] in CLASSES
