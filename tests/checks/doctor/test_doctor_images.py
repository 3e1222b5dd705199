"""The doctor is shown the same pictures however they are kept."""

from pathlib import Path

import kept_pictures
import numpy as np
import pytest
from kept_pictures import WAYS

from edgecnn.checks.doctor import device_log, images


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("splits", [(), ("train", "test")])
def test_pictures_and_classes_are_those_of_the_folder(tmp_path: Path, way: str, splits: tuple[str, ...]) -> None:
    kept = kept_pictures.files(3, splits)
    ours, theirs = (images.labelled(WAYS[name](tmp_path / name, kept), 99) for name in (way, "folder"))
    assert (ours.classes, ours.labels.tolist()) == (("cat", "dog"), [0, 0, 0, 1, 1, 1])
    assert (theirs.classes, theirs.labels.tolist()) == (ours.classes, ours.labels.tolist())
    mine, other = (images.Album(shown.pictures, 12, 12, 3).pixels(None, None) for shown in (ours, theirs))
    assert np.array_equal(mine, other)


def test_a_limit_draws_the_same_pictures_again(tmp_path: Path) -> None:
    place = kept_pictures.as_shards(tmp_path, kept_pictures.files(6))
    first, again = (list(map(str, images.labelled(place, 5).pictures)) for _ in range(2))
    assert first == again
    assert len(first) == 5


def test_a_devices_answers_name_pictures_by_the_end_of_their_names(tmp_path: Path) -> None:
    shown = images.labelled(kept_pictures.as_shards(tmp_path / "shards", kept_pictures.files(2)), 99)
    (tmp_path / "log.csv").write_text("all-000000.tar:cat/000.png,dog\n")
    said = device_log.read(tmp_path / "log.csv", shown.pictures, shown.classes)
    assert [str(picture) for picture in said.pictures] == [f"{tmp_path}/shards/all-000000.tar:cat/000.png"]
