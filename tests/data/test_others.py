"""Pictures of anything else become a class of a folder's own pictures: "none of these"."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import photo_folders
import pytest

from edgecnn import data
from edgecnn.errors import DataError
from edgecnn.records.labels import NONE_OF_THESE
from edgecnn.records.recipe import DataPlan


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    return photo_folders.classes(tmp_path / "flowers", ("daisy", "poppy"), 12)


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """Ten pictures in folders of several depths."""
    folder = tmp_path / "others" / "of" / "this"
    folder.mkdir(parents=True)
    for number in range(10):
        photo_folders.photograph(9000 + number).save((folder if number % 2 else folder.parent) / f"{number}.png")
    return tmp_path / "others"


def plan(flowers: Path, **options: str) -> DataPlan:
    return DataPlan(name="folder", options={"path": str(flowers), "size": 8, **options})


def test_they_are_the_last_class_and_split_like_the_rest(flowers: Path, others: Path) -> None:
    splits = data.load(plan(flowers, others=str(others)))
    parts = (splits.train, splits.validation, splits.test)
    assert all(part.classes == ("daisy", "poppy", NONE_OF_THESE) for part in parts)
    counts = [int((part.labels == 2).sum()) for part in parts]
    assert sum(counts) == 10
    assert min(counts) > 0
    assert data.listed(plan(flowers, others=str(others))).classes[-1] == NONE_OF_THESE


def test_no_other_picture_moves_for_them(flowers: Path, others: Path) -> None:
    without, with_others = data.load(plan(flowers)), data.load(plan(flowers, others=str(others)))
    for before, after in ((without.train, with_others.train), (without.test, with_others.test)):
        known = after.labels < 2
        assert np.array_equal(after.images[known], before.images[:])


def test_a_test_split_of_ones_own_has_none_of_them(flowers: Path, others: Path, tmp_path: Path) -> None:
    root = tmp_path / "split"
    root.mkdir()
    flowers.rename(root / "train")
    photo_folders.classes(root / "test", ("daisy", "poppy"), 3, mode="L")
    splits = data.load(plan(root, others=str(others)))
    assert set(splits.test.labels.tolist()) == {0, 1}
    assert splits.test.classes == splits.train.classes
    assert (splits.train.labels == 2).any()


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_a_folder_without_pictures_is_refused(folder: str, flowers: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=folder):
        data.load(plan(flowers, others=str(tmp_path / folder)))


def test_a_class_of_that_name_is_not_mixed_with_them(flowers: Path, others: Path) -> None:
    photo_folders.classes(flowers, (NONE_OF_THESE,), 4)
    with pytest.raises(DataError, match="has a class 'none of these' already"):
        data.load(plan(flowers, others=str(others)))
