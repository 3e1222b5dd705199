"""`edgecnn calibrate`: from a run's validation pictures to decisions that a bundle takes likewise, for every file."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_bundles

import edgecnn
from edgecnn.cli import certainty
from edgecnn.errors import DataError, Undecided, UsageError
from edgecnn.onboard import unknown
from edgecnn.pipeline.calibrate import calibrate as verb
from edgecnn.pipeline.calibrate.calibrate import Wish
from edgecnn.pipeline.deploy import bundle
from edgecnn.pipeline.train import seen
from edgecnn.records import artifact, exported
from edgecnn.records.artifact import Artifact

FILES = ("fp32.onnx", "fp32.tflite", "int8.onnx", "int8.tflite")
PICTURES = 40


@pytest.fixture(scope="module")
def run(digits_run: edgecnn.Run, tmp_path_factory: pytest.TempPathFactory) -> edgecnn.Run:
    """A run on the digits with all four files."""
    folder = shutil.copytree(digits_run.folder, tmp_path_factory.mktemp("calibrate") / "digits")
    edgecnn.export(folder, max_drop=100)
    return edgecnn.open_run(folder)


@pytest.fixture(scope="module")
def calibrated(run: edgecnn.Run) -> list[Artifact]:
    return verb.calibrate(run.folder, Wish(keep_percent=80, max_risk_percent=10))


def test_every_card_says_what_was_learnt(run: edgecnn.Run, calibrated: list[Artifact]) -> None:
    assert sorted(file.name for file in calibrated) == [f"{run.name}-{kind}" for kind in FILES]
    for file in calibrated:
        read = artifact.read_card(file.path)
        assert read == file
        assert read.certainty is not None
        assert read.certainty.outlook is not None
        assert read.certainty.validation_n == run.validation_n
        assert read.certainty.outlook.after.loss.value < read.certainty.outlook.before.loss.value


def test_known_pictures_are_kept_about_as_often_as_was_asked_for(calibrated: list[Artifact]) -> None:
    for file in calibrated:
        assert file.certainty is not None
        assert file.certainty.outlook is not None
        assert file.certainty.outlook.answered.low_percent < 80 < file.certainty.outlook.answered.high_percent + 5


@pytest.mark.parametrize("kind", FILES)
def test_a_bundle_decides_on_every_picture_as_it_was_decided_here(
    kind: str, run: edgecnn.Run, calibrated: list[Artifact], tmp_path: Path
) -> None:
    (file,) = (file for file in calibrated if file.name.endswith(kind))
    test = seen.splits_of(run).test.take(np.arange(PICTURES))
    decisions = verb.decide(verb.ask(file, test), unknown.rule_of(file))
    assert {decision.reason for decision in decisions} > {None}
    shown = tmp_path / "shown"
    shown.mkdir()
    for number, pixels in enumerate(test.load_all()):
        (shown / f"{number:03}.png").write_bytes(small_bundles.picture(pixels[:, :, 0]))
    bundle.make(file).write(tmp_path / "bundle")
    words = [sys.executable, str(tmp_path / "bundle" / "edgecnn.pyz"), "classify", str(shown)]
    lines = [json.loads(line) for line in subprocess.run(words, capture_output=True, check=True).stdout.splitlines()]
    assert [line["unknown"] for line in lines] == [decision.reason for decision in decisions]
    assert [line["known_score"] for line in lines] == [round(decision.score or 0, 6) for decision in decisions]
    assert [line["score"] for line in lines] == [round(float(decision.shares.max()), 6) for decision in decisions]
    assert [line["label"] == "unknown" for line in lines] == [bool(decision.reason) for decision in decisions]


def test_one_file_is_calibrated_alone(run: edgecnn.Run, calibrated: list[Artifact]) -> None:
    file = calibrated[0]
    (alone,) = verb.calibrate(file.path, Wish(score="energy"))
    assert (alone.name, alone.certainty and alone.certainty.score) == (file.name, "energy")
    others = [artifact.read_card(other.path) for other in calibrated[1:]]
    assert {card.certainty.score for card in others if card and card.certainty} == {"max-softmax"}
    artifact.write_card(file)


def test_pictures_of_other_things_are_counted_and_change_nothing(
    run: edgecnn.Run, calibrated: list[Artifact], tmp_path: Path
) -> None:
    file = calibrated[-1]
    for number, pixels in enumerate(small_bundles.images(20)):
        (tmp_path / f"{number}.png").write_bytes(small_bundles.picture(pixels))
    (asked,) = verb.calibrate(file.path, Wish(keep_percent=80, max_risk_percent=10), [tmp_path])
    assert asked.certainty is not None
    assert asked.certainty.outlook is not None
    assert [(other.name, other.unknown.n) for other in asked.certainty.outlook.others] == [(tmp_path.name, 20)]
    outlook = dataclasses.replace(asked.certainty.outlook, others=())
    assert dataclasses.replace(asked, certainty=dataclasses.replace(asked.certainty, outlook=outlook)) == file
    artifact.write_card(file)


def test_a_promise_that_validation_cannot_make_says_how_many_pictures_would(
    run: edgecnn.Run, calibrated: list[Artifact], capsys: pytest.CaptureFixture[str]
) -> None:
    file = calibrated[-1]
    certainty.calibrate(file.path, max_risk="0.5 %")
    out, err = capsys.readouterr()
    assert "cannot promise" in err
    assert "even without a wrong answer 1,058 pictures are needed" in " ".join(err.split())
    assert file.name in out
    with pytest.raises(Undecided, match="cannot promise"):
        certainty.calibrate(file.path, max_risk="0.5", strict=True)
    artifact.write_card(file)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"keep": "most"}, "--keep most is no share in percent"),
        ({"keep": "100"}, "100 % of the pictures cannot be kept"),
        ({"max_risk": "0"}, "0 % is no share of wrong answers"),
        ({"score": "entropy"}, "There is no score named 'entropy'"),
    ],
)
def test_a_wish_that_cannot_be_is_refused(options: dict[str, str], sentence: str, run: edgecnn.Run) -> None:
    with pytest.raises(UsageError, match=sentence):
        certainty.calibrate(run.folder, **options)  # type: ignore[arg-type]


def test_a_file_away_from_its_run_has_no_validation_pictures(calibrated: list[Artifact], tmp_path: Path) -> None:
    for name in (calibrated[0].name, f"{calibrated[0].name}.json"):
        shutil.copy(calibrated[0].path.with_name(name), tmp_path)
    with pytest.raises(UsageError, match="nobody knows its validation pictures"):
        verb.calibrate(tmp_path / calibrated[0].name)


def test_a_folder_without_pictures_is_an_error_before_a_card_is_written(
    run: edgecnn.Run, calibrated: list[Artifact], tmp_path: Path
) -> None:
    before = artifact.card_path(calibrated[0].path).read_bytes()
    with pytest.raises(DataError):
        verb.calibrate(calibrated[0].path, others=[tmp_path])
    assert artifact.card_path(calibrated[0].path).read_bytes() == before


def test_an_export_that_replaces_a_calibrated_file_says_so(
    run: edgecnn.Run, calibrated: list[Artifact], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(run.folder, tmp_path / "digits")
    edgecnn.export(folder, format=("onnx",), precision=("fp32",), max_drop=100)
    told = " ".join(capsys.readouterr().err.split())
    assert f"is new, and not calibrated any more: edgecnn calibrate {folder}" in told
    (new,) = (card for card in exported.cards(edgecnn.open_run(folder)) if card.name.endswith("fp32.onnx"))
    assert new.certainty is None
