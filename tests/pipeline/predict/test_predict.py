"""`edgecnn predict`: pictures in, classes out, in three forms, sorted into folders if that is asked for."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest
import small_bundles
from PIL import Image

from edgecnn.cli import use
from edgecnn.errors import DataError, UsageError
from edgecnn.onboard.runner.classify import Classification
from edgecnn.pipeline.predict import predict, sorting
from edgecnn.pipeline.predict.predict import Prediction
from edgecnn.records import artifact, exported
from edgecnn.records.run import open_run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A run folder with an int8 TFLite file that takes 8 x 8 colour pictures."""
    return small_bundles.run_folder(tmp_path / "animals", ["int8"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven pictures and a note."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, pixels in enumerate(small_bundles.images()[:7]):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("mine")
    return folder


def answer(label: str) -> Classification:
    return Classification(top=((label, 1.0),), ms=1.0, inference_ms=1.0)


def test_a_table_has_a_line_for_each_picture_and_says_how_long_one_took(
    model: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use.predict(model, [str(folder)], top_k=2)
    out, err = capsys.readouterr()
    head, _, *rows = (line.split() for line in out.splitlines())
    assert head == ["picture", "class", "score", "then"]
    assert [row[0] for row in rows] == [str(folder / f"{number}.png") for number in range(7)]
    assert {row[1] for row in rows} <= set(small_bundles.LABELS)
    assert "a picture from file to class, n 7, on " in err
    assert "left out 1 .txt" in err


def test_json_is_a_line_for_each_picture_as_a_device_prints_it(
    model: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use.predict(model, [str(folder)], as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["picture"] for line in lines] == [str(folder / f"{number}.png") for number in range(7)]
    assert all(set(line) == {"picture", "label", "score", "top", "ms"} for line in lines)
    assert all(len(line["top"]) == 3 for line in lines)


def test_csv_has_a_column_for_each_class_that_is_told(
    model: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    with pytest.raises(DataError, match="1 of 8 pictures could not be read"):
        use.predict(model, [str(folder)], top_k=2, as_csv=True)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 8
    assert list(rows[0]) == ["picture", "label_1", "score_1", "label_2", "score_2", "unknown", "error"]
    (broken,) = (row for row in rows if row["error"])
    assert broken["picture"].endswith("broken.png")
    assert broken["label_1"] == broken["score_2"] == ""


def test_one_picture_that_cannot_be_read_is_the_error(model: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        use.predict(model, [str(tmp_path / "broken.png")])


def test_a_picture_comes_on_stdin(
    model: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((folder / "3.png").read_bytes())))
    use.predict(model, ["-", str(folder / "3.png")], as_json=True)
    piped, named = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert piped["picture"] == "-"
    assert piped["top"] == named["top"]


def test_without_a_picture_it_says_what_can_be_named(model: Path) -> None:
    with pytest.raises(UsageError, match="no picture to classify"):
        use.predict(model)


def test_two_forms_at_once_are_refused(model: Path, folder: Path) -> None:
    with pytest.raises(UsageError, match="two forms of one output"):
        use.predict(model, [str(folder)], as_json=True, as_csv=True)


def test_pictures_are_copied_into_folders_of_their_classes(model: Path, folder: Path, tmp_path: Path) -> None:
    copies = tmp_path / "sorted"
    use.predict(model, [str(folder), str(folder / "0.png")], save=copies)
    opened = predict.open_model(model)
    expected = sorted(opened(folder / f"{number}.png").label for number in (*range(7), 0))
    assert sorted(path.parent.name for path in copies.glob("*/*.png")) == expected
    assert len(list(copies.glob("*/0-2.png"))) == 1
    assert {path.read_bytes() for path in copies.glob("*/0*.png")} == {(folder / "0.png").read_bytes()}
    with pytest.raises(UsageError, match="holds something"):
        use.predict(model, [str(folder)], save=copies)


def test_a_class_is_called_as_a_folder_can_be(tmp_path: Path) -> None:
    labels = ("a/b", "A_B", "..", "Füße")
    sorter = sorting.Sorter(tmp_path / "sorted", labels)
    for label in labels:
        sorter.keep(Prediction(picture="-", source=b"picture", answer=answer(label)))
    names = {path.parent.name for path in (tmp_path / "sorted").rglob("stdin")}
    assert names == {"a_b", "A_B (1)", "class 2", "Füße"}


@pytest.mark.parametrize("kind", ["onnx", "fp32"])
def test_any_model_file_is_taken(kind: str, folder: Path, tmp_path: Path) -> None:
    file = small_bundles.exported(tmp_path, kind)
    predictions = list(predict.predict(predict.open_model(file.path), [str(folder)]))
    assert [prediction.answer is not None for prediction in predictions] == [True] * 7


@pytest.fixture
def doubting(model: Path) -> Path:
    """A run folder whose file does not know any picture."""
    (file,) = exported.cards(open_run(model))
    artifact.write_card(small_bundles.doubtful(file, score="max-logit", least_score=1e9))
    return model


def test_what_the_model_does_not_know_is_told_and_sorted_apart(
    doubting: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use.predict(doubting, [str(folder)], top_k=2, save=tmp_path / "sorted")
    out, err = capsys.readouterr()
    assert [line.split()[1:3] for line in out.splitlines()[2:]] == [["unknown", "unlike"]] * 7
    assert "7 of 7 pictures are unknown to it: --unknown off names their best class" in err
    assert [path.name for path in (tmp_path / "sorted").iterdir()] == ["unknown"]
    assert len(list((tmp_path / "sorted" / "unknown").iterdir())) == 7


def test_with_unknown_off_every_picture_is_answered(
    doubting: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use.predict(doubting, [str(folder)], unknown="off", as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["label"] for line in lines} <= set(small_bundles.LABELS)
    use.predict(doubting, [str(folder)], as_csv=True)
    rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert [(row["unknown"], row["label_1"]) for row in rows] == [("unlike", line["label"]) for line in lines]


def test_a_class_that_is_called_unknown_is_sorted_under_its_name(tmp_path: Path) -> None:
    sorter = sorting.Sorter(tmp_path / "sorted", ("cat", "unknown"))
    kept = sorter.keep(Prediction(picture="-", source=b"pixels", answer=answer("unknown")))
    assert kept == tmp_path / "sorted" / "unknown" / "stdin"
