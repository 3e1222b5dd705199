"""The same frame is found again however it was saved; another frame is not taken for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from edgecnn.data import _copies, _decoded, _near_copies, folder
from edgecnn.data._near_copies import Looked


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home / "edgecnn" / "looked"


def scene(seed: int, size: int = 160) -> Image.Image:
    """A photograph's like: coloured blobs of many sizes, with a little noise."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)).resize(
        (size, size), Image.Resampling.BICUBIC
    )
    fine = Image.fromarray(rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)).resize(
        (size, size), Image.Resampling.BICUBIC
    )
    return Image.blend(coarse, fine, 0.3).filter(ImageFilter.GaussianBlur(1))


def look(paths: list[Path]) -> Looked:
    return _near_copies.look(paths, _decoded.digests(paths))


def moved(image: Image.Image, pixels: int) -> Image.Image:
    """The frame a camera sees that was moved a little."""
    width, height = image.size
    return image.crop((pixels, pixels, width, height))


SAVED: dict[str, Callable[[Image.Image, Path], None]] = {
    "another format": lambda image, path: image.save(path.with_suffix(".png")),
    "worse quality": lambda image, path: image.save(path.with_suffix(".jpg"), quality=40),
    "half the size": lambda image, path: image.resize((80, 80)).save(path.with_suffix(".jpg"), quality=85),
    "shifted by two pixels": lambda image, path: moved(image, 2).save(path.with_suffix(".jpg"), quality=85),
    "a little brighter": lambda image, path: image.point(lambda v: min(255, v + 6)).save(path.with_suffix(".png")),
}


@pytest.mark.parametrize("how", SAVED)
def test_a_frame_saved_again_is_found(how: str, tmp_path: Path) -> None:
    for seed in range(6):
        scene(seed).save(tmp_path / f"{seed}.jpg", quality=92)
        SAVED[how](scene(seed), tmp_path / f"{seed} again")
    paths = sorted(tmp_path.iterdir())
    names = {tuple(path.name[0] for path in (paths[a], paths[b])) for a, b in look(paths).pairs.tolist()}
    assert names == {(str(seed), str(seed)) for seed in range(6)}


def test_other_scenes_are_not_taken_for_copies(tmp_path: Path) -> None:
    paths = [tmp_path / f"{seed}.jpg" for seed in range(120)]
    for seed, path in enumerate(paths):
        scene(seed).save(path)
    assert look(paths).pairs.tolist() == []


def test_pictures_of_one_colour_are_told_and_are_nobodys_copies(tmp_path: Path) -> None:
    for grey in (0, 1, 128, 255):
        Image.new("RGB", (40, 40), (grey, grey, grey)).save(tmp_path / f"{grey:03}.png")
    scene(0).save(tmp_path / "scene.png")
    looked = look(sorted(tmp_path.iterdir()))
    assert looked.pairs.tolist() == []
    assert looked.one_colour.tolist() == [0, 1, 2, 3]


def test_what_cannot_be_read_has_no_size_and_no_copy(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no picture")
    scene(0).save(tmp_path / "c.png")
    looked = look(sorted(tmp_path.iterdir()))
    assert looked.pairs.tolist() == []
    assert looked.sizes.tolist() == [[0, 0], [0, 0], [160, 160]]


def test_it_is_looked_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        scene(seed).save(tmp_path / f"{seed}.png")
    paths = sorted(tmp_path.iterdir())
    first = look(paths)
    monkeypatch.setattr(_decoded, "in_processes", None)
    again = look(paths)
    assert all(np.array_equal(getattr(first, name), getattr(again, name)) for name in ("pairs", "one_colour", "sizes"))
    assert [path.suffix for path in cache.iterdir()] == [".json"]  # the thumbnails are gone


def burst(root: Path, count: int = 30) -> Path:
    """Two classes; of every scene three frames, a pixel apart."""
    for label, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for number in range(count):
            for frame in range(3):
                image = moved(scene(1000 * label + number, 164), frame)
                image.save(root / name / f"{number:03}-{frame}.jpg", quality=90)
    return root


def test_frames_of_a_burst_stay_on_one_side_and_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = burst(tmp_path / "pictures", count=12)
    train, test = folder.load(str(root), size=16)
    assert "48 of 72 pictures are copies or near-copies of another (0 to the byte)" in capsys.readouterr().err
    of_scene = {
        digest: path.name[:3] + path.parent.name for path in root.glob("*/*") for digest in _decoded.digests([path])
    }
    sides = [{of_scene[digest] for digest in split.digests()} for split in (train, test)]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]


def test_a_group_keeps_one_subject_on_one_side(tmp_path: Path) -> None:
    for label, name in enumerate(("healthy", "ill")):
        (tmp_path / name).mkdir()
        for patient in range(10):
            for number in range(3):
                scene(10_000 * label + 100 * patient + number, 24).save(tmp_path / name / f"p{patient:02}_{number}.png")
    train, test = folder.load(str(tmp_path), size=12, group=r"^(p\d+)_")
    patient_of = {digest: path.name[:3] for path in tmp_path.glob("*/*") for digest in _decoded.digests([path])}
    sides = [{patient_of[digest] for digest in split.digests()} for split in (train, test)]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == {f"p{patient:02}" for patient in range(10)}


def test_a_group_stays_where_it_is_when_it_grows(tmp_path: Path) -> None:
    names = [f"video{number // 4}/{number}.png" for number in range(40)]
    contents = [f"{number * 7919 % 65537:064x}" for number in range(40)]
    before = _copies.keys(names[:20], contents[:20], None, r"^(video\d+)/")
    after = _copies.keys(names, contents, None, r"^(video\d+)/")
    assert np.array_equal(before, after[:20])
    assert after[0] == "group video0"


def test_copies_under_another_name_change_nothing(tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for number in range(15):
            scene(100 * len(name) + number + 50 * (name == "dog"), 24).save(root / name / f"{number}.png")
    before = [set(split.digests()) for split in folder.load(str(root), size=12)]
    (root / "cat" / "later").mkdir()
    shutil.copy(root / "cat" / "3.png", root / "cat" / "later" / "a copy.png")
    (root / "dog" / "4.png").rename(root / "dog" / "renamed.png")
    for number in range(20):
        scene(777 + number, 24).save(root / "dog" / f"new {number}.png")
    after = [set(split.digests()) for split in folder.load(str(root), size=12)]
    assert before[0] <= after[0]
    assert before[1] <= after[1]
