"""Every mistake made on purpose is named: what a device feeds, and what a file was trained with."""

from __future__ import annotations

import csv
import functools
import tempfile
from pathlib import Path
from typing import Any

import centroid_models
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edgecnn import data, formats
from edgecnn.checks.doctor import (
    class_order,
    conclusions,
    device_log,
    doctor,
    examination,
    images,
    preprocessing,
    show,
)
from edgecnn.checks.doctor.mistakes import MISTAKES, STAGES, Mistake
from edgecnn.checks.doctor.model import ExaminedModel
from edgecnn.checks.doctor.preprocessing import Diagnosis
from edgecnn.checks.doctor.trial import Laboratory, Target
from edgecnn.checks.doctor.ways import arranging, encoding, resizing
from edgecnn.common import stats
from edgecnn.errors import DataError, GateFailed, UsageError
from edgecnn.onboard import preprocessing as pictures
from edgecnn.onboard import tensors
from edgecnn.records import artifact as artifacts
from edgecnn.records import foreign
from edgecnn.records import resizing as resizing_of
from edgecnn.records.artifact import Artifact, Preprocessing, TensorSpec
from edgecnn.records.foreign import PictureOptions, assumed_preprocessing

CLASSES = centroid_models.CLASSES
SIDE = centroid_models.SIDE
N = 120
KINDS = ("onnx fp32", "tflite fp32", "tflite int8")
BY_NAME = {mistake.name: mistake for mistake in MISTAKES}


@functools.cache
def home() -> Path:
    return Path(_folder().name)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


@functools.cache
def shown(channels: int, split: str) -> images.Labelled:
    """Pictures of the five classes: "train" makes the models, "test" is what a device sees."""
    path = home() / f"{split}-{channels}"
    centroid_models.folder(path, channels, N, seed=["train", "test"].index(split))
    return images.labelled(path, limit=10**6)


def fed(channels: int, split: str, made: Mistake | None) -> npt.NDArray[Any]:
    """Float NHWC tensors of a split, fed rightly or with one mistake."""
    of = shown(channels, split)
    step = {} if made is None else {made.stage: made.apply}
    pixels = images.Album(of.pictures, SIDE, SIDE, channels).pixels(step.get("read"), step.get("size"))
    pixels = step["pixels"](pixels) if "pixels" in step else pixels
    spec = TensorSpec(name="x", shape=(1, SIDE, SIDE, channels), dtype="float32", layout="NHWC")
    return np.asarray(step["range"](pixels, spec) if "range" in step else pixels, np.float64)


@functools.cache
def model_file(kind: str, channels: int, trained_with: str = "") -> Path:
    """A classifier right for pictures that are fed so, written as another tool would."""
    x = fed(channels, "train", BY_NAME.get(trained_with))
    weights, bias = centroid_models.affine(x, shown(channels, "train").labels)
    name = f"{kind}-{channels}-{trained_with}".replace(" ", "-").replace("/", "by").replace("..", "to")
    if kind == "onnx fp32":
        return centroid_models.onnx_file(home() / f"{name}.onnx", weights, bias)
    path = home() / f"{name}.tflite"
    if kind == "tflite fp32":
        return centroid_models.tflite_file(path, weights, bias)
    largest = float(np.abs(x.reshape(len(x), -1) @ weights.reshape(len(bias), -1).T + bias).max())
    low, high = (0.0, 255.0) if not trained_with else (min(0.0, float(x.min())), max(0.0, float(x.max())))
    scale = (high - low) / 255
    return centroid_models.tflite_file(path, weights, bias, scale, round(-128 - low / scale), largest)


@functools.cache
def laboratory(kind: str, channels: int) -> Laboratory:
    """Return a laboratory for a file made for raw pixels, shown the test pictures; what is tried there is kept."""
    path = model_file(kind, channels)
    description = formats.describe(path)
    model = ExaminedModel(path, description)
    return preprocessing.laboratory(model, shown(channels, "test").pictures, assumed_preprocessing(description.input))


def told(kind: str, channels: int, made: Mistake, scores: bool = True) -> tuple[Diagnosis, bool]:
    """Diagnose a device that makes one mistake; return also whether that can show in the numbers at all."""
    examined = laboratory(kind, channels)
    answers = examined.answers((made,))
    target = Target(classes=answers.classes, scores=answers.probabilities.max(1) if scores else None)
    shows = answers.digest != examined.answers(()).digest
    return preprocessing.diagnose(examined, target, CLASSES, of_device=True), shows


@pytest.mark.parametrize("how", ["squash", "letterbox:114", "crop:0.875"])
def test_a_foreign_file_that_learnt_from_pictures_resized_otherwise_is_told_by_the_pictures(how: str) -> None:
    """And with that way named, nothing is wrong any more."""
    names = {"squash": "squash", "letterbox:114": "letterbox grey", "crop:0.875": "crop 0.875"}
    path = model_file("onnx fp32", 3, names[how])
    description = formats.describe(path)
    said = foreign.with_options(foreign.known(path, description), PictureOptions(resize=resizing_of.parse(how)))
    of = shown(3, "test")
    model, target = ExaminedModel(path, description), Target(classes=of.labels)
    assumed, learnt = (
        preprocessing.diagnose(preprocessing.laboratory(model, of.pictures, size), target, CLASSES, of_device=False)
        for size in (assumed_preprocessing(description.input), said.artifact.preprocessing)
    )
    assert learnt.named == ()
    assert how in learnt.assumed
    assert f"({how})" in " ".join([assumed.named_words, *assumed.tied, *assumed.suspected])


# What a device feeds


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mistake_of_a_device_is_named_by_the_scores_it_logs(channels: int, kind: str) -> None:
    unnamed, silent = [], 0
    for made in preprocessing.mistakes_of(channels):
        diagnosis, shows = told(kind, channels, made)
        silent += not shows
        if not shows:
            assert diagnosis.named == (), made.name  # the same numbers: there is nothing to find
        elif made.name not in diagnosis.named and not _is_same(diagnosis, made) and made.words not in diagnosis.tied:
            unnamed.append((made.name, diagnosis.named, diagnosis.tied))
    assert unnamed == []
    assert silent < len(MISTAKES) / 3


def _is_same(diagnosis: Diagnosis, made: Mistake) -> bool:
    """Return whether the hypothesis that is named feeds the very numbers that the mistake does."""
    (row,) = (tried for tried in diagnosis.tried if tried.names == (made.name,))
    return row.same_tensors_as is not None and row.same_tensors_as == diagnosis.named_words


@pytest.mark.parametrize("name", ["BGR", "inverted", "W as H", "upside down", "mirrored", "-128", "CHW as HWC"])
def test_without_scores_the_classes_alone_name_what_changes_them(name: str) -> None:
    diagnosis, _ = told("onnx fp32", 3, BY_NAME[name], scores=False)
    assert diagnosis.named == (name,)
    assert diagnosis.best.percent == 100.0
    assert diagnosis.tried[0].percent < 95


def test_what_the_classes_cannot_tell_apart_is_listed_beside_what_is_named() -> None:
    diagnosis, _ = told("onnx fp32", 3, BY_NAME["imagenet"], scores=False)  # one class for all: so does / 255
    assert len(diagnosis.named) == 1
    assert BY_NAME["imagenet"].words in diagnosis.tied


@pytest.mark.parametrize("names", [("BGR", "-128"), ("squash nearest", "upside down"), ("JPEG 10", "BGR")])
def test_two_mistakes_at_once_are_both_named(names: tuple[str, str]) -> None:
    examined = laboratory("onnx fp32", 3)
    made = tuple(sorted((BY_NAME[name] for name in names), key=lambda mistake: STAGES.index(mistake.stage)))
    answers = examined.answers(made)
    target = Target(classes=answers.classes, scores=answers.probabilities.max(1))
    assert set(preprocessing.diagnose(examined, target, CLASSES, of_device=True).named) == set(names)


def test_a_device_that_does_right_is_told_so() -> None:
    examined = laboratory("tflite int8", 1)
    answers = examined.answers(())
    target = Target(classes=answers.classes, scores=answers.probabilities.max(1))
    diagnosis = preprocessing.diagnose(examined, target, CLASSES, of_device=True)
    assert (diagnosis.named, diagnosis.best.percent, diagnosis.order) == ((), 100.0, None)


def test_answers_that_come_from_elsewhere_are_explained_by_nothing() -> None:
    drawn = np.random.default_rng(5).integers(0, len(CLASSES), N)
    diagnosis = preprocessing.diagnose(laboratory("onnx fp32", 3), Target(classes=drawn), CLASSES, of_device=True)
    assert (diagnosis.named, diagnosis.above_chance, diagnosis.order) == ((), False, None)


def fitted(hits: int, n: int, chance_percent: float, classes_answered: int = 2) -> Diagnosis:
    """Return the diagnosis if the assumed way, the best of all, gives so many right answers."""
    share = stats.wilson(hits, n)
    tried = preprocessing.Tried(
        names=(), words="as assumed", percent=share.percent, low_percent=share.low_percent,
        high_percent=share.high_percent, gained=0, lost=0, p_value=1.0, agreement_percent=100.0,
        classes_answered=classes_answered, score_distance=None, same_tensors_as=None,
    )  # fmt: skip
    return Diagnosis(
        of_device=False, n=n, assumed="raw pixels", named=(), named_words="", tied=(), suspected=(), order=None,
        above_chance=share.low_percent > chance_percent, chance_percent=chance_percent, tried=(tried,),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("hits", "n", "chance_percent", "level"),
    [
        (1, 1, 100.0, "note"),  # one picture of one class
        (2, 3, 33.3, "note"),
        (1, 2, 50.0, "note"),
        (30, 30, 100.0, "note"),  # many, and a constant answer fits them as well
        (250, 500, 50.0, "wrong"),
        (11, 100, 10.0, "wrong"),
        (90, 100, 50.0, "ok"),
    ],
)
def test_too_few_pictures_cannot_tell_an_answer_from_chance(
    hits: int, n: int, chance_percent: float, level: str
) -> None:
    (finding,) = conclusions.findings(fitted(hits, n, chance_percent), whose="its card")
    assert (finding.subject, finding.level) == ("preprocessing", level)
    assert (f"cannot tell with n {n}" in finding.evidence) == (level == "note")


def test_one_answer_for_all_pictures_is_wrong_only_where_they_are_of_several_classes() -> None:
    def levels(hits: int, n: int, chance_percent: float) -> dict[str, str]:
        findings = conclusions.findings(fitted(hits, n, chance_percent, classes_answered=1), whose="its card")
        return {finding.subject: finding.level for finding in findings}

    assert levels(20, 100, 20.0) == {"answers": "wrong", "preprocessing": "wrong"}
    assert levels(1, 1, 100.0) == {"preprocessing": "note"}


# What a file was trained with

EXPECTED = ("/255", "-1..1", "imagenet", "caffe", "BGR", "inverted", "upside down", "W as H", "HWC as CHW", "unscaled")


@pytest.mark.parametrize("kind", ["onnx fp32", "tflite fp32"])
@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_without_a_card_tells_what_it_was_trained_with(name: str, kind: str) -> None:
    path = model_file(kind, 3, name)
    description = formats.describe(path)
    of = shown(3, "test")
    examined = preprocessing.laboratory(
        ExaminedModel(path, description), of.pictures, assumed_preprocessing(description.input)
    )
    examined.album = laboratory(kind, 3).album  # the same pictures, decoded already
    diagnosis = preprocessing.diagnose(examined, Target(classes=of.labels), CLASSES, of_device=False)
    assert diagnosis.named == (name,) or BY_NAME[name].words in diagnosis.tied
    assert diagnosis.named != ()
    assert diagnosis.best.low_percent > diagnosis.tried[0].high_percent
    assert diagnosis.best.p_value < 1e-6


@pytest.mark.parametrize("name", ["/255", "-1..1", "imagenet"])
def test_so_does_an_int8_file_whose_scale_was_made_for_it(name: str) -> None:
    path = model_file("tflite int8", 3, name)
    description = formats.describe(path)
    of = shown(3, "test")
    examined = preprocessing.laboratory(
        ExaminedModel(path, description), of.pictures, assumed_preprocessing(description.input)
    )
    examined.album = laboratory("tflite int8", 3).album
    diagnosis = preprocessing.diagnose(examined, Target(classes=of.labels), CLASSES, of_device=False)
    # Bytes through this scale are the very numbers, or a step from them: then there is nothing to mend.
    (row,) = (tried for tried in diagnosis.tried if tried.names == (name,))
    assert diagnosis.named in ((), (name,)) or BY_NAME[name].words in diagnosis.tied
    assert row.percent > 95


# The order of the classes


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ([1, 2, 3, 4, 0], "one place back"),
        ([4, 0, 1, 2, 3], "one place on"),
        ([4, 3, 2, 1, 0], "reversed"),
        ([1, 0, 2, 3, 4], "output 0 is 'birch', not 'ash', output 1 is 'ash', not 'birch'"),
    ],
)
def test_a_wrong_order_of_the_classes_is_named_and_mistakes_are_found_beneath_it(place: list[int], words: str) -> None:
    examined = laboratory("onnx fp32", 3)
    answers = examined.answers((BY_NAME["BGR"],))
    target = Target(classes=np.array(place)[answers.classes])
    diagnosis = preprocessing.diagnose(examined, target, CLASSES, of_device=True)
    assert diagnosis.order is not None
    assert words in diagnosis.order.words
    assert diagnosis.named == ("BGR",)


def test_ten_numbers_sorted_as_text_are_recognised() -> None:
    names = [str(i) for i in range(12)]
    truth = np.arange(240) % 12
    as_text = np.argsort(np.array(names))
    order = class_order.find([np.argsort(as_text)[truth]], truth, names)
    assert order is not None
    assert "sorted by name as text" in order.words or "sorted by name" in order.words


def test_an_order_is_not_taken_from_a_handful_of_pictures_or_from_noise() -> None:
    truth = np.arange(120) % 5
    assert class_order.find([np.roll(truth[:10], 1)], truth[:10], CLASSES) is None
    assert class_order.find([np.random.default_rng(0).integers(0, 5, 120)], truth, CLASSES) is None
    assert class_order.find([truth], truth, CLASSES) is None


# The mistakes themselves, against what others compute


def test_no_antialias_is_what_four_neighbours_give() -> None:
    source = np.random.default_rng(0).integers(0, 256, (30, 40), dtype=np.uint8)
    ours = np.asarray(resizing.squash_no_antialias(Image.fromarray(source), 10, 12), np.float64)
    for row, column in ((0, 0), (3, 5), (11, 9), (7, 2)):
        y, x = (row + 0.5) * 30 / 12 - 0.5, (column + 0.5) * 40 / 10 - 0.5
        top, left = int(np.floor(y)), int(np.floor(x))
        block = source[top : top + 2, left : left + 2].astype(np.float64)
        weights = np.outer([1 - (y - top), y - top], [1 - (x - left), x - left])
        assert abs(ours[row, column] - (block * weights).sum()) <= 1


def test_layouts_are_confused_as_a_flat_buffer_confuses_them() -> None:
    pixels = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    assert np.array_equal(arranging.planes_as_pixels(pixels).ravel(), planes.ravel())
    confused = arranging.pixels_as_planes(pixels)  # what a CHW model sees, back in HWC
    assert np.array_equal(np.ascontiguousarray(confused.transpose(0, 3, 1, 2)).ravel(), pixels.ravel())


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_numbers_go_into_a_quantised_tensor_through_its_scale(dtype: str) -> None:
    zero_point = -128 if dtype == "int8" else 0
    spec = TensorSpec(name="x", shape=(1, 1, 256, 1), dtype=dtype, layout="NHWC", scale=1 / 255, zero_point=zero_point)
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 1, 256, 1)
    size = Preprocessing(height=1, width=256, channels=1, colour_order="grey", resize="")
    expected = tensors.encode(pixels, spec, size)
    assert np.array_equal(encoding.by_255(pixels, spec), expected)
    assert np.array_equal(encoding.bytes_as_they_are(pixels, spec), expected)
    assert np.array_equal(encoding.bytes_off_by_128(pixels, spec).view(np.uint8) ^ 0x80, expected.view(np.uint8))
    assert len(np.unique(encoding.by_255_cast(pixels, spec))) == 2


def test_every_mistake_has_a_name_of_its_own_and_keeps_the_shape() -> None:
    assert len(BY_NAME) == len(MISTAKES)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 7, 7, 3), dtype=np.uint8)
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (20, 31, 3), dtype=np.uint8))
    spec = TensorSpec(name="x", shape=(1, 7, 7, 3), dtype="float32", layout="NHWC")
    for mistake in MISTAKES:
        if mistake.stage == "read":
            assert mistake.apply(picture).size == picture.size
        elif mistake.stage == "size":
            assert mistake.apply(picture, 9, 5).size == (9, 5), mistake.name
        else:
            fed = mistake.apply(pixels) if mistake.stage == "pixels" else mistake.apply(pixels, spec)
            assert fed.shape == pixels.shape, mistake.name


def test_the_album_reads_as_the_device_of_this_tool_does() -> None:
    of = shown(3, "test")
    album, four = images.Album(of.pictures[:4], SIDE, SIDE, 3), map(data.source, of.pictures[:4])
    expected = np.stack([pictures.decode(source, height=SIDE, width=SIDE, channels=3) for source in four])
    assert np.array_equal(album.pixels(None, None), expected)
    assert np.array_equal(album.pixels(lambda image: image, None), expected)


# The verb


def log_of(path: Path, kind: str, made: Mistake, scores: bool) -> Path:
    """A device's answers as CSV."""
    examined = laboratory(kind, 3)
    answers = examined.answers((made,))
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["picture", "class", *(["score"] if scores else [])])
        for file, label, row in zip(examined.album.pictures, answers.classes, answers.probabilities, strict=True):
            writer.writerow([file.name, CLASSES[label], *([f"{row.max():.5f}"] if scores else [])])
    return path


def carded(kind: str, folder: Path) -> Path:
    """The file with its labels in a card."""
    path = folder / model_file(kind, 3).name
    path.write_bytes(model_file(kind, 3).read_bytes())
    description = formats.describe(path)
    size = assumed_preprocessing(description.input)
    artifacts.write_card(Artifact(path=path, description=description, preprocessing=size, labels=CLASSES))
    return path


@pytest.mark.parametrize("kind", ["onnx fp32", "tflite int8"])
def test_a_devices_log_fails_the_file_with_the_mistake_in_the_sentence(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, folder = carded(kind, tmp_path), home() / "test-3"
    log = log_of(tmp_path / "answers.csv", kind, BY_NAME["BGR"], scores=True)
    mistaken = doctor.doctor(path, pictures=folder, device_log=log)
    with pytest.raises(GateFailed, match="preprocessing"):
        doctor.judge(mistaken)
    show.show(mistaken)
    said = capsys.readouterr().out
    assert "the device feeds: blue and red swapped (BGR)" in " ".join(said.split())
    assert max(map(len, said.splitlines()[1:])) <= 80  # the first is the path
    log = tmp_path / "right.csv"
    answers = laboratory(kind, 3).answers(())
    rows = zip(laboratory(kind, 3).album.pictures, answers.classes, strict=True)
    log.write_text("".join(f"{file.name};{label}\n" for file, label in rows))
    show.show(doctor.doctor(path, pictures=folder, device_log=log))
    assert "the device feeds what it should" in " ".join(capsys.readouterr().out.split())


def test_pictures_alone_say_whether_the_card_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, folder = carded("onnx fp32", tmp_path), home() / "test-3"
    assert '"named": []' in examination.to_json(doctor.doctor(path, pictures=folder))
    wrong = model_file("onnx fp32", 3, "BGR")
    path.write_bytes(wrong.read_bytes())
    description = formats.describe(path)
    size = assumed_preprocessing(description.input)
    artifacts.write_card(Artifact(path=path, description=description, preprocessing=size, labels=CLASSES))
    against_its_card = doctor.doctor(path, pictures=folder)
    with pytest.raises(GateFailed, match="preprocessing"):
        doctor.judge(against_its_card)
    show.show(against_its_card)
    assert "probably trained with: blue and red swapped (BGR)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no answers"),
        ("nowhere.png,ash\n", "'nowhere.png' is not among the pictures"),
        ("0000.png,oak\n", "there is no class 'oak'"),
        ("0000.png\n", "line 1 is no answer"),
        ('{"picture": "0000.png"}\n', "line 1 is no answer"),
    ],
)
def test_a_log_that_cannot_be_used_is_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(text)
    with pytest.raises(DataError, match=sentence):
        device_log.read(log, shown(3, "test").pictures, CLASSES)


def test_the_runners_own_lines_are_a_log(tmp_path: Path) -> None:
    log = tmp_path / "answers.jsonl"
    log.write_text('{"picture": "/home/pi/shown/0001.png", "label": "birch", "score": 0.9, "top": []}\n')
    said = device_log.read(log, shown(3, "test").pictures, CLASSES)
    assert (said.pictures[0].name, said.called.tolist()) == ("0001.png", [1])
    assert said.scores is not None
    assert said.scores.tolist() == [0.9]


def test_scores_that_are_no_probabilities_are_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("0000.png,ash,212\n0001.png,birch,17\n")
    assert device_log.read(log, shown(3, "test").pictures, CLASSES).scores is None


def test_pictures_without_classes_and_a_log_without_pictures_are_refused(tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    Image.new("RGB", (20, 20)).save(flat / "a.png")
    path = model_file("onnx fp32", 3)
    with pytest.raises(DataError, match="Pictures of known classes are needed"):
        doctor.doctor(path, pictures=flat)
    with pytest.raises(UsageError, match="--device-log needs the pictures"):
        doctor.doctor(path, device_log=tmp_path / "log.csv")
    with pytest.raises(DataError, match="There is no folder"):
        doctor.doctor(path, pictures=tmp_path / "nowhere")
