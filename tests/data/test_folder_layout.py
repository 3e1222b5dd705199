"""Splits and classes are found under the names that data sets come with, or refused in one sentence."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from data_samples import class_folders, picture
from PIL import Image

from edgecnn import data
from edgecnn.data import folder
from edgecnn.errors import DataError
from edgecnn.records.recipe import DataPlan


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def refused(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        folder.load(str(path))
    assert caught.value.sentence.count("\n") == 0
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"), ("Train", "Test"), ("TRAIN", "TEST"), ("train", "test"),
        ("seg_train/seg_train", "seg_test/seg_test"), ("train/train", "test/test"),
    ],
)  # fmt: skip
def test_train_and_test_go_by_many_names(tmp_path: Path, train: str, test: str) -> None:
    class_folders(tmp_path / train, count=5)
    class_folders(tmp_path / test, count=2, seed=500)
    learnt, tested = folder.load(str(tmp_path))
    assert learnt.classes == ("cat", "dog")
    assert (len(learnt), len(tested)) == (10, 4)


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Valid"])
def test_a_validation_folder_is_the_validation_split(tmp_path: Path, name: str) -> None:
    for part, count, seed in (("train", 6, 0), (name, 3, 300), ("test", 2, 600)):
        class_folders(tmp_path / part, count=count, seed=seed)
    splits = data.load(DataPlan(name="folder", options={"path": str(tmp_path), "size": 12}))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (12, 6, 4)
    expected = {np.asarray(picture(300 + 1000 * label + i)).tobytes() for label in range(2) for i in range(3)}
    assert {image.tobytes() for image in splits.validation.load_all()} == expected


def test_without_test_one_is_cut_from_train_and_validation_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class_folders(tmp_path / "train", count=20)
    class_folders(tmp_path / "val", count=3, seed=300)
    splits = data.load(DataPlan(name="folder", options={"path": str(tmp_path), "size": 12}))
    assert len(splits.train) + len(splits.test) == 40
    assert len(splits.test) > 1
    assert len(splits.validation) == 6
    assert "there is no test/: 20 % of the pictures of" in capsys.readouterr().err


def test_test_without_train_is_refused(tmp_path: Path) -> None:
    class_folders(tmp_path / "test")
    class_folders(tmp_path / "val")
    assert refused(tmp_path).sentence == f"{tmp_path} has test/, val/ but no train/."


def test_two_folders_for_one_split_are_refused(tmp_path: Path) -> None:
    for name in ("train", "val", "valid"):
        class_folders(tmp_path / name)
    assert refused(tmp_path).sentence == f"{tmp_path} has both val/ and valid/, two folders for the same split."


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    class_folders(tmp_path, classes=("bus", "plane", "train"))
    learnt, _ = folder.load(str(tmp_path))
    assert learnt.classes == ("bus", "plane", "train")


@pytest.mark.parametrize("parts", [("train", "test"), ("",)])
def test_a_folder_around_the_data_set_is_looked_through(
    tmp_path: Path, parts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for number, part in enumerate(parts):
        class_folders(tmp_path / "archive" / "flowers" / part, seed=500 * number)
    learnt, _ = folder.load(str(tmp_path))
    assert learnt.classes == ("cat", "dog")
    assert f"{tmp_path} holds the folder archive alone: that is read" in capsys.readouterr().err


def test_splits_under_other_names_are_not_taken_for_classes(tmp_path: Path) -> None:
    for number, name in enumerate(("lernen", "pruefen")):
        class_folders(tmp_path / name, classes=("cat", "dog", "owl"), seed=500 * number)
    error = refused(tmp_path)
    assert (
        error.sentence
        == f"lernen/, pruefen/ of {tmp_path} hold the same class folders (cat, dog, owl ...), as splits do."
    )
    assert "train/" in str(error.hint)


def test_a_class_folder_alone_is_refused_with_the_folder_above_it(tmp_path: Path) -> None:
    class_folders(tmp_path / "animals")
    error = refused(tmp_path / "animals" / "cat")
    assert error.sentence.endswith("holds no class folders.")
    assert error.hint == "name the folder above it, if cat is one class of several"


def test_naming_train_alone_says_what_lies_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class_folders(tmp_path / "train")
    class_folders(tmp_path / "test", seed=500)
    folder.load(str(tmp_path / "train"))
    assert f"name {tmp_path} for that" in capsys.readouterr().err


def test_folders_deeper_than_the_classes_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class_folders(tmp_path / "animals")
    class_folders(tmp_path / "plants", classes=("oak", "rose"), seed=5000)
    learnt, _ = folder.load(str(tmp_path))
    assert learnt.classes == ("animals", "plants")
    assert "animals/ has cat/, dog/: is" in capsys.readouterr().err


def test_a_class_is_one_however_its_name_is_composed(tmp_path: Path) -> None:
    names = [unicodedata.normalize(form, "Äpfel") for form in ("NFC", "NFD")]
    for number, (part, name) in enumerate(zip(("train", "test"), names, strict=True)):
        class_folders(tmp_path / part, classes=(name, "Birne"), seed=500 * number)
    learnt, tested = folder.load(str(tmp_path))
    assert learnt.classes == tested.classes == ("Birne", names[0])


# --- what its owner should look at twice


def said(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    folder.load(str(path), size=12)
    return capsys.readouterr().err


def test_one_picture_in_two_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class_folders(tmp_path, count=8)
    for i in range(3):
        (tmp_path / "dog" / f"same {i}.png").write_bytes((tmp_path / "cat" / f"{i:03}.png").read_bytes())
    told = said(tmp_path, capsys)
    assert f"one picture lies in two classes: {tmp_path}/cat/000.png and {tmp_path}/dog/same 0.png, and 2 more" in told


def test_a_class_far_smaller_than_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class_folders(tmp_path, classes=("cat", "dog"), count=30)
    class_folders(tmp_path, classes=("owl",), count=5, seed=9000)
    assert "far fewer pictures than the other classes' 30 (median): owl 5" in said(tmp_path, capsys)


def test_sizes_that_tell_the_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for i in range(6):
            picture(10 * label + i, 16 + 8 * label, 20).save(tmp_path / name / f"{i}.png")
    assert "the size of a picture tells its class, for each has its own (20 x 16, 20 x 24 ...)" in said(
        tmp_path, capsys
    )


def test_an_ordinary_folder_is_not_warned_of_and_its_one_size_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class_folders(tmp_path, count=20)
    told = said(tmp_path, capsys)
    assert "warning" not in told
    assert "all pictures that can be read are 12 x 12" in told


def test_pictures_of_one_colour_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class_folders(tmp_path, count=20)
    for i in range(2):
        Image.new("RGB", (12, 12), (i, 0, 0)).save(tmp_path / "cat" / f"flat {i}.png")
    assert f"2 of 42 pictures are of one colour all over, such as {tmp_path}/cat/flat 0.png" in said(tmp_path, capsys)
