"""Pictures of one's own are the same data set however they are kept: in folders, lists, tables or archives."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import kept_pictures
import numpy as np
import pytest
from kept_pictures import WAYS

from edgecnn import data
from edgecnn.data import Splits
from edgecnn.errors import DataError, PlanError
from edgecnn.onboard import preprocessing
from edgecnn.pipeline.train import seen
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans, resizing
from edgecnn.records.recipe import DataPlan

OTHERS = [name for name in WAYS if name != "folder"]
SHORT = ("epochs=2", "num_threads=1", "precision=fp32", "net.width=8", "net.depth=1", "batch_size=4", "augment.shift=1")


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def kept(tmp_path: Path, pictures: kept_pictures.Files, way: str, **options: object) -> DataPlan:
    """The plan of pictures that are kept this way, as `--data` makes it of their path."""
    plan = plans.data_plan(str(WAYS[way](tmp_path / way, pictures)))
    assert plan.name == way
    return dataclasses.replace(plan, options={**plan.options, "size": 12, **options})


def same(ours: Splits, theirs: Splits) -> bool:
    pairs = [(ours.train, theirs.train), (ours.validation, theirs.validation), (ours.test, theirs.test)]
    return all(
        np.array_equal(mine.load_all(), other.load_all())
        and mine.labels.tolist() == other.labels.tolist()
        and mine.classes == other.classes
        and mine.digests() == other.digests()
        for mine, other in pairs
    )


@pytest.mark.parametrize("resize", ["crop:0.8", "squash", "letterbox:114"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_resizing_is_that_of_the_device(tmp_path: Path, way: str, resize: str) -> None:
    pictures, how = kept_pictures.files(4), resizing.parse(resize)
    train = data.load(kept(tmp_path, pictures, way, size=[9, 14], resize=resize)).train
    encoded = {hashlib.sha256(content).hexdigest(): content for content in pictures.values()}
    for image, digest in zip(train.load_all(), train.digests(), strict=True):
        fed = preprocessing.decode(encoded[digest], height=9, width=14, channels=3, resizing=how)
        assert np.array_equal(image, fed)


@pytest.mark.parametrize("way", OTHERS)
@pytest.mark.parametrize("splits", [(), ("train", "test"), ("train", "validation", "test"), ("train", "validation")])
def test_splits_pixels_labels_and_digests_are_those_of_a_folder(
    tmp_path: Path, way: str, splits: tuple[str, ...]
) -> None:
    pictures = kept_pictures.files(16 // max(2, 2 * len(splits)), splits)
    theirs = data.load(kept(tmp_path, pictures, "folder"))
    ours = data.load(kept(tmp_path, pictures, way))
    assert same(ours, theirs)
    assert min(map(len, (ours.train, ours.validation, ours.test))) > 0


def test_a_net_that_is_trained_on_them_is_the_same_to_the_byte(tmp_path: Path) -> None:
    pictures = kept_pictures.files(8)
    weights = {}
    for way in WAYS:
        recipe = plans.load_recipe("dscnn-digits", SHORT, kept(tmp_path, pictures, way))
        run = train(recipe, tmp_path / "runs" / way)
        weights[way] = (run.folder / "model.safetensors").read_bytes()
        record = seen.read(run)
        assert record is not None
        assert len(record.all) == len({*record.all}) > 0
    assert len(set(weights.values())) == 1, {way: hash(content) for way, content in weights.items()}


def test_what_a_run_has_learnt_from_one_of_them_is_not_tested_on_from_another(tmp_path: Path) -> None:
    learnt = kept_pictures.files()
    run = train(plans.load_recipe("dscnn-digits", SHORT, kept(tmp_path, learnt, "parquet")), tmp_path / "run")
    moved = {f"test/{path}": content for path, content in learnt.items()}
    test = data.load(kept(tmp_path, kept_pictures.files(4, ("train",), seed=500) | moved, "webdataset")).test
    with pytest.raises(DataError, match=r"has seen \d of the 8 test pictures"):
        seen.unseen(run, test)


# --- what is left out or refused, whatever keeps them


@pytest.mark.parametrize("way", WAYS)
def test_a_broken_picture_is_named_and_can_be_left_out(
    tmp_path: Path, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = kept_pictures.files()
    pictures["cat/003.png"] = pictures["cat/003.png"][:100]
    plan = kept(tmp_path, pictures, way)
    with pytest.raises(DataError, match=r"Cannot read .*: ") as caught:
        data.load(plan)
    assert str(tmp_path / way) in caught.value.sentence
    assert "skip_broken" in str(caught.value.hint)
    splits = data.load(dataclasses.replace(plan, options={**plan.options, "skip_broken": True}))
    assert sum(map(len, (splits.train, splits.validation, splits.test))) == 7
    assert "left out 1 of 8 pictures that cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("way", WAYS)
def test_a_web_page_under_a_pictures_name_is_told_as_such(tmp_path: Path, way: str) -> None:
    pictures = kept_pictures.files() | {"cat/page.png": b"<!DOCTYPE html><html>not found</html>"}
    with pytest.raises(DataError, match="it holds a web page"):
        data.load(kept(tmp_path, pictures, way))


@pytest.mark.parametrize("way", OTHERS)
def test_a_picture_without_bytes_is_a_broken_one(tmp_path: Path, way: str) -> None:
    pictures = kept_pictures.files() | {"dog/none.png": b""}
    with pytest.raises(DataError, match="Cannot read "):
        data.load(kept(tmp_path, pictures, way))
    splits = data.load(kept(tmp_path / "again", pictures, way, skip_broken=True))
    assert sum(map(len, (splits.train, splits.validation, splits.test))) == 8


@pytest.mark.parametrize("way", WAYS)
def test_a_test_picture_that_is_learnt_too_is_refused_or_left_out_of_training(
    tmp_path: Path, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = kept_pictures.files(3, ("train", "test"))
    pictures["train/cat/copy.png"] = pictures["test/cat/000.png"]
    with pytest.raises(DataError, match="are the same picture") as caught:
        data.load(kept(tmp_path, pictures, way))
    assert "skip_leaks" in str(caught.value.hint)
    splits = data.load(kept(tmp_path / "again", pictures, way, skip_leaks=True))
    assert not {*splits.train.digests(), *splits.validation.digests()} & {*splits.test.digests()}
    assert (len(splits.train) + len(splits.validation), len(splits.test)) == (6, 6)
    assert "left out 1 pictures that are in the test split as well" in capsys.readouterr().err


@pytest.mark.parametrize("way", WAYS)
def test_pictures_of_a_group_stay_together(tmp_path: Path, way: str) -> None:
    pictures = {
        f"{label}/video{number // 2}_{number}.png": kept_pictures.png(100 * place + number)
        for place, label in enumerate(("cat", "dog"))
        for number in range(8)
    }
    splits = data.load(kept(tmp_path, pictures, way, group=r"(video\d+)_"))
    video_of = {hashlib.sha256(content).hexdigest(): path.split("/")[1][:6] for path, content in pictures.items()}
    videos = [
        {video_of[digest] for digest in split.digests()} for split in (splits.train, splits.validation, splits.test)
    ]
    assert not videos[0] & videos[1]
    assert not videos[0] & videos[2]
    assert sum(map(len, videos)) == 4


@pytest.mark.parametrize("way", ["folder", "webdataset"])
def test_a_group_may_be_no_utf8(tmp_path: Path, way: str) -> None:
    pictures = {path.replace("/", "/\udcff"): content for path, content in kept_pictures.files().items()}
    splits = data.load(kept(tmp_path, pictures, way, group=r"(.*)\."))
    assert sum(map(len, (splits.train, splits.validation, splits.test))) == 8


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_is_named_by_where_it_lies(tmp_path: Path, way: str) -> None:
    test = data.load(kept(tmp_path, kept_pictures.files(4, ("train", "test")), way)).test
    assert test.files is not None
    assert len(set(test.files)) == len(test)
    assert (
        test.files[0]
        == {
            "folder": f"{tmp_path}/folder/test/cat/000.png",
            "csv-list": f"{tmp_path}/csv-list/test/cat/000.png",
            "hf-folder": f"{tmp_path}/hf-folder/test/cat 000.png",
            "parquet": f"{tmp_path}/parquet/data/test-00000-of-00002.parquet:0",
            "webdataset": f"{tmp_path}/webdataset/test-000000.tar:cat/000.png",
        }[way]
    )


@pytest.mark.parametrize("way", WAYS)
def test_one_class_is_too_few(tmp_path: Path, way: str) -> None:
    with pytest.raises(DataError, match=r"one class only \('cat'\)"):
        data.load(kept(tmp_path, kept_pictures.files(3, classes=("cat",)), way))


@pytest.mark.parametrize("way", OTHERS)
def test_a_split_without_pictures_of_a_class_is_refused(tmp_path: Path, way: str) -> None:
    pictures = kept_pictures.files(3, ("train", "test"))
    fewer = {path: content for path, content in pictures.items() if not path.startswith("test/dog")}
    with pytest.raises(DataError, match=r"has no test pictures of dog\."):
        data.load(kept(tmp_path, fewer, way))


@pytest.mark.parametrize("way", OTHERS)
def test_a_test_split_alone_is_refused(tmp_path: Path, way: str) -> None:
    with pytest.raises(DataError, match="has test pictures, and none to train with"):
        data.load(kept(tmp_path, kept_pictures.files(3, ("test",)), way))


@pytest.mark.parametrize("way", WAYS)
def test_without_a_path_the_option_is_named(way: str) -> None:
    with pytest.raises(PlanError, match="lacks the key 'path'"):
        data.load(DataPlan(name=way))


@pytest.mark.parametrize("way", WAYS)
def test_a_path_that_leads_nowhere(tmp_path: Path, way: str) -> None:
    with pytest.raises(DataError, match=r"none does not exist\."):
        data.load(DataPlan(name=way, options={"path": str(tmp_path / "none")}))
