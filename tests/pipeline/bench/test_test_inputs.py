import dataclasses
from pathlib import Path

import data_samples
import kept_pictures
import numpy as np
import pytest
import tiny_models
from PIL import Image

from edgecnn import data, formats
from edgecnn.errors import DataError
from edgecnn.pipeline.bench.test_inputs import PHOTOGRAPH_SIZE, PHOTOGRAPHS, Shelf
from edgecnn.records.artifact import Artifact, TensorSpec
from edgecnn.records.foreign import assumed_preprocessing
from edgecnn.records.plans import Suite, data_plan
from edgecnn.records.recipe import DataPlan

DIGITS = DataPlan(name="digits")


def artifact_of(path: Path) -> Artifact:
    description = formats.describe(path)
    preprocessing = assumed_preprocessing(description.input)
    return Artifact(path=path, description=description, preprocessing=preprocessing, labels=())


@pytest.fixture
def digits_model(tmp_path: Path) -> Artifact:
    return artifact_of(tiny_models.linear_tflite(tmp_path / "digits.tflite", tiny_models.weights(8, 8, 1, 10)))


def test_the_whole_test_split_is_written_and_nothing_of_train(digits_model: Artifact, tmp_path: Path) -> None:
    stimuli = Shelf(tmp_path / "shelf", None).take(DIGITS, digits_model)
    test = data.load(DIGITS).test
    assert np.array_equal(np.load(stimuli.test.images), test.load_all())
    assert np.array_equal(np.load(stimuli.test.labels), test.labels)


def test_a_limit_draws_from_all_of_it_and_the_same_each_time(digits_model: Artifact, tmp_path: Path) -> None:
    once, again = (Shelf(tmp_path / name, 100).take(DIGITS, digits_model) for name in ("a", "b"))
    labels = np.load(once.test.labels)
    assert len(labels) == 100
    assert set(labels.tolist()) == set(range(10))
    assert np.array_equal(np.load(once.test.images), np.load(again.test.images))


def test_a_limit_beyond_the_split_is_the_split(digits_model: Artifact, tmp_path: Path) -> None:
    stimuli = Shelf(tmp_path / "shelf", 10**6).take(DIGITS, digits_model)
    assert len(np.load(stimuli.test.labels)) == len(data.load(DIGITS).test)


def test_photographs_are_of_a_cameras_size_and_timed_as_the_suite_says(digits_model: Artifact, tmp_path: Path) -> None:
    stimuli = Shelf(tmp_path / "shelf", None).take(DIGITS, digits_model)
    paths = sorted(stimuli.folder.iterdir())
    assert len(paths) == PHOTOGRAPHS
    with Image.open(paths[0]) as image:
        assert (image.size, image.mode, image.format) == (PHOTOGRAPH_SIZE, "L", "JPEG")
    task = stimuli.pictures(Suite(name="s", num_runs=77))
    assert (task.timing.num_runs, task.folder) == (77, str(stimuli.folder))
    assert "640 x 480 JPEG" in task.kind
    assert "digits" in task.kind


def test_a_data_set_is_written_once_for_all_its_models(digits_model: Artifact, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", None)
    assert shelf.take(DIGITS, digits_model) == shelf.take(DIGITS, digits_model)
    assert len(list((tmp_path / "shelf").iterdir())) == 1


@pytest.mark.parametrize(
    ("kernel", "sentence"),
    [
        (tiny_models.weights(8, 9, 1, 10), r"pictures of digits are 8 x 8 x 1, .* takes 8 x 9 x 1"),
        (tiny_models.weights(8, 8, 3, 10), r"takes 8 x 8 x 3"),
        (tiny_models.weights(8, 8, 1, 11), r"digits has 10 classes, .* puts out 11 values"),
    ],
)
def test_pictures_that_do_not_fit_are_refused_in_a_sentence(
    kernel: tiny_models.Weights, sentence: str, tmp_path: Path
) -> None:
    model = artifact_of(tiny_models.linear_onnx(tmp_path / "other.onnx", kernel))
    with pytest.raises(DataError, match=sentence):
        Shelf(tmp_path / "shelf", None).take(DIGITS, model)


@pytest.mark.parametrize(
    ("layout", "shape", "expected"),
    [
        ("NHWC", (1, 4, 5, 3), (4, 5, 3, "RGB")),
        ("NCHW", (-1, 1, 4, 5), (4, 5, 1, "grey")),
        ("", (1, 64), (1, 64, 1, "grey")),
    ],
)
def test_without_a_card_the_inputs_shape_tells_the_picture(
    layout: str, shape: tuple[int, ...], expected: tuple[int, int, int, str]
) -> None:
    preprocessing = assumed_preprocessing(TensorSpec(name="x", shape=shape, dtype="float32", layout=layout))
    assert (preprocessing.height, preprocessing.width, preprocessing.channels, preprocessing.colour_order) == expected
    assert (preprocessing.mean, preprocessing.std) == (0.0, 1.0)


COLOURS = ("blue", "green", "red")
KERNEL = tiny_models.weights(6, 9, 3, 3)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataPlan:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = data_samples.class_folders(tmp_path / "pictures", classes=COLOURS)
    return DataPlan(name="folder", options={"path": str(root)})


def named(tmp_path: Path, labels: tuple[str, ...], kernel: tiny_models.Weights = KERNEL) -> Artifact:
    file = artifact_of(tiny_models.linear_onnx(tmp_path / "net.onnx", kernel))
    return dataclasses.replace(file, labels=labels)


def test_a_folders_pictures_are_brought_to_the_size_of_the_model(folder: DataPlan, tmp_path: Path) -> None:
    for number, shape in enumerate([(6, 9, 3), (12, 12, 1)]):
        model = named(tmp_path, COLOURS, tiny_models.weights(*shape, 3))
        stimuli = Shelf(tmp_path / f"shelf-{number}", None).take(folder, model)
        assert np.load(stimuli.test.images).shape[1:] == shape


@pytest.mark.parametrize("way", kept_pictures.WAYS)
def test_pictures_are_brought_to_it_however_they_are_kept(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = kept_pictures.WAYS[way](tmp_path / "pictures", kept_pictures.files(4, classes=COLOURS))
    stimuli = Shelf(tmp_path / "shelf", None).take(data_plan(str(place)), named(tmp_path, COLOURS))
    assert np.load(stimuli.test.images).shape[1:] == (6, 9, 3)
    assert len(stimuli.files) == len(np.load(stimuli.test.labels))


def test_a_size_in_the_plan_stands(folder: DataPlan, tmp_path: Path) -> None:
    plan = dataclasses.replace(folder, options={**folder.options, "size": 7})
    with pytest.raises(DataError, match=r"are 7 x 7 x 3, .* takes 6 x 9 x 3"):
        Shelf(tmp_path / "shelf", None).take(plan, named(tmp_path, COLOURS))


@pytest.mark.parametrize("labels", [("red", "green", "blue"), ("Green", "RED", "Blue")])
def test_classes_in_another_order_are_matched_by_name(
    labels: tuple[str, ...], folder: DataPlan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = Shelf(tmp_path / "shelf", None)
    in_order = shelf.take(folder, named(tmp_path, COLOURS))
    other = shelf.take(folder, named(tmp_path, labels))
    assert other.test.images == in_order.test.images
    called = [COLOURS[place] for place in np.load(in_order.test.labels)]
    assert called == [labels[place].lower() for place in np.load(other.test.labels)]
    assert "assumed" not in capsys.readouterr().err


def test_a_class_the_model_does_not_know_is_refused_with_both_lists(folder: DataPlan, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no class 'blue': .* has blue, green, red; net.onnx has red, green, cyan"):
        Shelf(tmp_path / "shelf", None).take(folder, named(tmp_path, ("red", "green", "cyan")))


def test_a_folder_with_some_of_the_classes_is_scored_on_those_and_it_is_said(
    folder: DataPlan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ("pink", "red", "green", "blue")
    model = named(tmp_path, labels, tiny_models.weights(6, 9, 3, 4))
    stimuli = Shelf(tmp_path / "shelf", None).take(folder, model)
    assert set(np.load(stimuli.test.labels).tolist()) == {1, 2, 3}
    assert "has 3 of the 4 classes of net.onnx: it is scored on those" in capsys.readouterr().err


def test_where_a_file_names_no_classes_the_assumed_order_is_said_once(
    folder: DataPlan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = Shelf(tmp_path / "shelf", None)
    for _ in range(2):
        assert shelf.take(folder, named(tmp_path, ())).places == (0, 1, 2)
    assert capsys.readouterr().err.count("the order of the folders' names is assumed (blue, green, red)") == 1


def test_one_value_that_is_no_sigmoid_is_refused_with_a_way_on(tmp_path: Path, folder: DataPlan) -> None:
    model = named(tmp_path, (), tiny_models.weights(6, 9, 3, 1))
    with pytest.raises(DataError, match=r"has 3 classes, .* puts out 1 value \(float32\)") as caught:
        Shelf(tmp_path / "shelf", None).take(folder, model)
    assert "no sigmoid and no ArgMax ends it" in str(caught.value.hint)


def test_an_output_above_a_half_is_the_second_folder_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = data_samples.class_folders(tmp_path / "pictures")
    plan = DataPlan(name="folder", options={"path": str(root)})
    path = tiny_models.linear_onnx(tmp_path / "net.onnx", tiny_models.weights(6, 9, 3, 1), [("Sigmoid", {})])
    shelf = Shelf(tmp_path / "shelf", None)
    assert shelf.take(plan, artifact_of(path)).places == (0, 1)
    assert "an output above 0.5 is 'dog'" in capsys.readouterr().err
    assert shelf.take(plan, dataclasses.replace(artifact_of(path), labels=("dog", "cat"))).places == (1, 0)


def test_what_is_no_picture_or_leaves_its_size_open_is_said(folder: DataPlan, tmp_path: Path) -> None:
    file = named(tmp_path, COLOURS)
    size = file.preprocessing
    flat = dataclasses.replace(file, preprocessing=dataclasses.replace(size, height=1, width=162, channels=1))
    with pytest.raises(DataError, match="does not say how large a picture is"):
        Shelf(tmp_path / "shelf", None).take(folder, flat)
    four = dataclasses.replace(file, preprocessing=dataclasses.replace(size, channels=4))
    with pytest.raises(DataError, match="takes 4 channels; a picture has 1 or 3"):
        Shelf(tmp_path / "shelf", None).take(folder, four)
