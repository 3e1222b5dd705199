"""The facts of a file that another tool made, by its own metadata, a label file beside it, and the user."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tiny_models

from edgecnn import formats
from edgecnn.errors import UsageError
from edgecnn.formats.tflite import metadata as _tflite_metadata
from edgecnn.onboard import runtimes
from edgecnn.onboard.tensors import decode, encode
from edgecnn.records import foreign
from edgecnn.records.artifact import Preprocessing, TensorSpec
from edgecnn.records.foreign import Known, PictureOptions

KERNEL = tiny_models.weights(4, 4, 3, 2)
SIZE = Preprocessing(height=4, width=4, channels=3, colour_order="RGB", resize="any")


def known(path: Path) -> Known:
    return foreign.known(path, formats.describe(path))


def onnx_with(tmp_path: Path, **notes: str) -> Known:
    return known(tiny_models.linear_onnx(tmp_path / "net.onnx", KERNEL, notes=notes))


def test_tflite_metadata_give_normalisation_and_names(tmp_path: Path) -> None:
    path = tiny_models.linear_tflite(tmp_path / "net.tflite", KERNEL)
    metadata = _tflite_metadata.build("net", SIZE, 127.5, 128.0)
    known_file = known(tiny_models.with_metadata(path, metadata, {"labels.txt": "red\ngreen\n"}))
    assert (known_file.artifact.preprocessing.mean, known_file.artifact.preprocessing.std) == (127.5, 128.0)
    assert known_file.artifact.labels == ("red", "green")
    assert known_file.whose == "its TFLite metadata"
    assert "(pixel - 127.5) / 128 (its TFLite metadata); classes red, green, by the file itself" in known_file.sentence


def test_broken_tflite_metadata_cost_no_more_than_their_words(tmp_path: Path) -> None:
    path = tiny_models.linear_tflite(tmp_path / "net.tflite", KERNEL)
    known_file = known(tiny_models.with_metadata(path, b"\xff" * 40, {"labels.txt": "red\ngreen\n"}))
    assert known_file.whose is None
    assert known_file.artifact.labels == ("red", "green")


def test_ultralytics_notes_behind_a_tflite_file_are_no_label_file(tmp_path: Path) -> None:
    path = tiny_models.linear_tflite(tmp_path / "net.tflite", KERNEL)
    notes = {"author": "Ultralytics", "task": "classify", "names": {0: "cat", 1: "dog"}}
    known_file = known(tiny_models.with_metadata(path, b"", {"temp_meta.txt": str(notes)}))
    assert known_file.artifact.labels == ("cat", "dog")
    assert (known_file.artifact.preprocessing.mean, known_file.artifact.preprocessing.std) == (0.0, 255.0)


@pytest.mark.parametrize(
    ("notes", "labels"),
    [
        ({"labels": '["cat", "dog"]'}, ("cat", "dog")),
        ({"names": "{0: 'cat', 1: 'dog'}"}, ("cat", "dog")),
        ({"id2label": '{"1": "dog", "0": "cat"}'}, ("cat", "dog")),
        ({"names": "{0: 'cat', 2: 'dog'}"}, ()),
        ({"labels": "[[1], [2]]"}, ()),
        ({"classes": "2"}, ()),
    ],
)
def test_onnx_metadata_of_several_makers_name_the_classes(
    notes: dict[str, str], labels: tuple[str, ...], tmp_path: Path
) -> None:
    assert onnx_with(tmp_path, **notes).artifact.labels == labels


@pytest.mark.parametrize(
    ("notes", "fed"),
    [
        ({"Image.NominalPixelRange": "Normalized_0_1"}, (0.0, 255.0, "RGB")),
        ({"image.nominalpixelrange": "NORMALIZED_1_1", "Image.BitmapPixelFormat": "Bgr8"}, (127.5, 127.5, "BGR")),
        ({"Image.NominalPixelRange": "NominalRange_0_255"}, (0.0, 1.0, "RGB")),
        ({"author": "Ultralytics", "task": "classify"}, (0.0, 255.0, "RGB")),
        ({"author": "Ultralytics", "task": "detect"}, (0.0, 1.0, "RGB")),
        ({"Image.BitmapPixelFormat": "Gray8"}, (0.0, 1.0, "RGB")),
    ],
)
def test_onnx_metadata_of_several_makers_say_what_stands_for_a_pixel(
    notes: dict[str, str], fed: tuple[float, float, str], tmp_path: Path
) -> None:
    size = onnx_with(tmp_path, **notes).artifact.preprocessing
    assert (size.mean, size.std, size.colour_order) == fed


def test_a_range_of_video_levels_is_black_at_16_and_white_at_235(tmp_path: Path) -> None:
    known_file = onnx_with(tmp_path, **{"Image.NominalPixelRange": "NominalRange_16_235"}).artifact
    ends = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1).repeat(3, axis=3)
    fed = encode(ends, known_file.description.input, known_file.preprocessing)
    assert fed[:, 0, 0, 0] == pytest.approx([16, 235])


def test_a_file_keeps_its_own_notes_when_its_card_is_lost(tmp_path: Path) -> None:
    stated = dataclasses.asdict(dataclasses.replace(SIZE, mean=10.0, std=20.0))
    known_file = onnx_with(tmp_path, labels='["a", "b"]', preprocessing=json.dumps(stated))
    assert (known_file.artifact.preprocessing.mean, known_file.artifact.preprocessing.std) == (10.0, 20.0)
    assert known_file.whose == "its own notes"


def test_a_label_file_beside_it_is_taken_or_said_why_not(tmp_path: Path) -> None:
    path = tiny_models.linear_onnx(tmp_path / "net.onnx", KERNEL)
    (tmp_path / "labels.txt").write_text("0 red\n1 green\n")
    assert known(path).artifact.labels == ("red", "green")
    assert known(path).names == "classes red, green, by labels.txt beside it"
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    assert known(path).artifact.labels == ()
    assert known(path).names == "it names no classes; labels.txt beside it names 3 and it puts out 2"


def test_a_label_file_that_cannot_be_read_is_said_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe")
    known_file = onnx_with(tmp_path)
    assert known_file.artifact.labels == ()
    assert "Cannot read the class names in" in known_file.names


def test_names_inside_a_file_go_before_those_beside_it(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("x\ny\n")
    assert onnx_with(tmp_path, labels='["a", "b"]').artifact.labels == ("a", "b")


def test_bgr_and_a_mean_for_each_channel_are_fed_so() -> None:
    spec = TensorSpec(name="x", shape=(1, 3, 1, 1), dtype="float32", layout="NCHW")
    size = dataclasses.replace(SIZE, height=1, width=1, colour_order="BGR", mean=(1.0, 2.0, 3.0), std=(1.0, 2.0, 4.0))
    red_green_blue = np.array([[[[11, 22, 31]]]], np.uint8)
    assert encode(red_green_blue, spec, size).ravel().tolist() == [30.0, 10.0, 2.0]


def test_what_the_user_says_goes_before_what_the_file_says(tmp_path: Path) -> None:
    known_file = foreign.with_options(
        onnx_with(tmp_path, **{"Image.NominalPixelRange": "Normalized_0_1"}),
        PictureOptions(mean=(1.0, 2.0, 3.0), std=4.0),
    )
    assert (known_file.artifact.preprocessing.mean, known_file.artifact.preprocessing.std) == ((1.0, 2.0, 3.0), 4.0)
    assert "(pixel - 1,2,3) / 4 (as you say)" in known_file.sentence


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (PictureOptions(size=(8, 8)), r"takes 3 x 4 x 4 \(NCHW\), not 8 x 8 x 3"),
        (PictureOptions(channels=1), r"takes 3 x 4 x 4 \(NCHW\), not 4 x 4 x 1"),
        (PictureOptions(mean=(1.0, 2.0)), "--mean 1,2 names 2 channels, net.onnx takes 3"),
    ],
)
def test_what_a_file_cannot_take_is_refused(options: PictureOptions, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        foreign.with_options(onnx_with(tmp_path), options)


def test_a_flat_input_is_a_picture_of_the_size_the_user_names() -> None:
    spec = TensorSpec(name="x", shape=(1, 12), dtype="float32", layout="NK")
    size = Preprocessing(height=2, width=2, channels=3, colour_order="RGB", resize="any")
    images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    assert encode(images, spec, size).tolist() == images.reshape(2, 12).tolist()


ARGMAX = ("ArgMax", {"axis": 1, "keepdims": 0})


@pytest.mark.parametrize(
    ("classes", "tail", "output", "reading"),
    [
        (1, [("Sigmoid", {})], [1, 1], ("probability", None)),
        (1, [("Sigmoid", {}), ("Flatten", {"axis": 0})], [1, 1], ("probability", None)),
        (2, [("Sigmoid", {})], [1, 2], ("scores", None)),
        (1, [], [1, 1], ("scores", None)),
        (2, [("Softmax", {"axis": 1})], [1, 2], ("scores", None)),
        (3, [ARGMAX], [1], ("number", 3)),
        (3, [("Softmax", {"axis": 1}), ("ArgMax", {"axis": 1, "keepdims": 1})], [1, 1], ("number", 3)),
        (3, [ARGMAX, ("Squeeze", {})], [], ("number", 3)),
    ],
)
def test_how_an_onnx_file_names_a_class_is_told_by_its_end(
    classes: int, tail: list[tuple[str, Any]], output: list[int], reading: tuple[str, int | None], tmp_path: Path
) -> None:
    kernel = tiny_models.weights(4, 4, 3, classes)
    spec = formats.describe(tiny_models.linear_onnx(tmp_path / "net.onnx", kernel, tail, output)).output
    assert (spec.reading, spec.classes) == reading


def test_a_tflite_sigmoid_is_told_by_its_end(tmp_path: Path) -> None:
    path = tiny_models.linear_tflite(tmp_path / "net.tflite", tiny_models.weights(4, 4, 3, 1))
    assert formats.describe(path).output.reading == "scores"
    assert formats.describe(tiny_models.with_sigmoid(path)).output.reading == "probability"


def test_a_probability_and_a_number_are_decoded_to_a_score_for_each_class() -> None:
    sigmoid = TensorSpec(
        name="y", shape=(1, 1), dtype="uint8", layout="NK", scale=1 / 256, zero_point=0, reading="probability"
    )
    assert decode(np.array([[64], [192]], np.uint8), sigmoid).tolist() == [[0.75, 0.25], [0.25, 0.75]]
    number = TensorSpec(name="y", shape=(1,), dtype="int64", layout="", reading="number", classes=3)
    assert decode(np.array([2, 0], np.int64), number).tolist() == [[0, 0, 1], [1, 0, 0]]


def with_two_outputs(path: Path) -> Path:
    """The file with its flat picture, 48 numbers, as the first output and the logits as the second."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(tiny_models.linear_onnx(path, KERNEL))
    model.graph.output.insert(0, helper.make_tensor_value_info("flat", TensorProto.FLOAT, [1, 48]))
    onnx.save(model, path)
    return path


def answer(known_file: Known) -> npt.NDArray[np.float32]:
    description = known_file.artifact.description
    session = runtimes.get("onnxruntime").open_session(known_file.artifact.path, 1, output=description.output.name)
    return session(np.zeros(description.input.shape, np.float32))


def test_of_several_outputs_the_one_with_a_value_for_each_name_is_taken(tmp_path: Path) -> None:
    path = with_two_outputs(tmp_path / "net.onnx")
    (tmp_path / "labels.txt").write_text("red\ngreen\n")
    known_file = known(path)
    assert known_file.artifact.labels == ("red", "green")
    assert "of its outputs (flat, y) y is taken for the classes" in known_file.sentence
    assert answer(known_file).shape == (1, 2)


def test_where_names_do_not_tell_the_first_output_is_taken_and_the_user_can_name_another(tmp_path: Path) -> None:
    known_file = known(with_two_outputs(tmp_path / "net.onnx"))
    assert "of its outputs (flat, y) flat is taken for the classes" in known_file.sentence
    assert answer(known_file).shape == (1, 48)
    said = foreign.with_options(known_file, PictureOptions(logits="y"))
    assert "y is taken for the classes, as you say" in said.sentence
    assert answer(said).shape == (1, 2)
    with pytest.raises(UsageError, match="has no output 'z'"):
        foreign.with_options(known_file, PictureOptions(logits="z"))
