"""A folder of one's own pictures: what is found, what is refused, and what is decoded only once."""

import os
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any, Literal

import data_samples
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgecnn.data import _decoded, _stored, folder
from edgecnn.errors import DataError, EdgecnnError, OutputError, PlanError
from edgecnn.onboard import preprocessing


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which decoded pictures are kept in this test."""
    home = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home / "edgecnn" / "decoded"


def kept(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir()) if cache.is_dir() else []


def refused(path: Path, **options: Any) -> EdgecnnError:
    with pytest.raises(EdgecnnError) as caught:
        folder.load(str(path), **options)
    assert caught.value.exit_code == 64
    assert caught.value.sentence.count("\n") == 0
    return caught.value


# --- what is found


def test_train_and_test_folders_are_the_two_splits(tmp_path: Path) -> None:
    data_samples.train_and_test(tmp_path)
    train, test = folder.load(str(tmp_path), size=12)
    assert train.classes == ("cat", "dog")
    assert train.labels.tolist() == [0] * 5 + [1] * 5
    assert test.labels.tolist() == [0] * 2 + [1] * 2
    for split, part in ((train, "train"), (test, "test")):
        paths = sorted((tmp_path / part).glob("*/*.png"))
        assert all(np.array_equal(a, np.asarray(Image.open(p))) for a, p in zip(split.load_all(), paths, strict=True))


def test_a_name_composed_and_decomposed_is_one_class(tmp_path: Path) -> None:
    names = ("Grün", "Äpfel")
    parts: tuple[tuple[str, Literal["NFC", "NFD"], int], ...]
    parts = (("train", "NFC", 0), ("train", "NFD", 100), ("test", "NFD", 200))
    for part, form, seed in parts:
        data_samples.class_folders(
            tmp_path / part,
            classes=[unicodedata.normalize(form, name) for name in names],
            count=3,
            seed=seed,
        )
    train, test = folder.load(str(tmp_path), size=12)
    assert train.classes == test.classes == names
    assert np.bincount(train.labels).tolist() == [6, 6]
    assert np.bincount(test.labels).tolist() == [3, 3]


def test_pictures_are_as_wide_as_asked_for(tmp_path: Path) -> None:
    data_samples.class_folders(tmp_path, count=3)
    train, test = folder.load(str(tmp_path), size=6, width=10)
    assert train.images.shape[1:] == test.images.shape[1:] == (6, 10, 3)


def test_one_folder_is_split_by_the_seed_about_the_same_share_of_every_class(tmp_path: Path) -> None:
    data_samples.class_folders(tmp_path, count=40)
    train, test = folder.load(str(tmp_path), size=12, test=0.3, seed=1)
    assert all(6 <= count <= 18 for count in np.bincount(test.labels))  # 12, and two deviations to either side
    all_images = {image.tobytes() for split in (train, test) for image in split.load_all()}
    assert len(all_images) == 80
    _, other = folder.load(str(tmp_path), size=12, test=0.3, seed=2)
    assert not np.array_equal(test.load_all(), other.load_all())


def test_pictures_are_resized_by_the_stated_rule(tmp_path: Path) -> None:
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for i in range(2):
            data_samples.picture(2 * label + i, 20, 30).save(tmp_path / name / f"{i}.png")
    train, _ = folder.load(str(tmp_path), size=8, channels=1)
    assert train.images.shape == (2, 8, 8, 1)
    decoded = [preprocessing.decode(p, height=8, width=8, channels=1) for p in sorted(tmp_path.glob("cat/*"))]
    assert any(np.array_equal(train.images[0], image) for image in decoded)


def test_pictures_are_found_at_any_depth_and_by_any_case_of_their_suffix(tmp_path: Path) -> None:
    data_samples.class_folders(tmp_path)
    deep = tmp_path / "cat" / "monday" / "morning"
    deep.mkdir(parents=True)
    data_samples.picture(77).save(deep / "paw.PNG")
    train, test = folder.load(str(tmp_path))
    assert len(train) + len(test) == 11


def test_hidden_files_other_files_and_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    data_samples.class_folders(tmp_path)
    (tmp_path / "cat" / "._000.png").write_bytes(b"what a Mac leaves behind")
    (tmp_path / "cat" / "Thumbs.db").write_bytes(b"what Windows leaves behind")
    (tmp_path / "README.txt").touch()
    for place in (tmp_path, tmp_path / "cat"):
        (place / ".trash").mkdir()
        (place / ".trash" / "old.png").write_bytes(b"")
    train, test = folder.load(str(tmp_path))
    assert train.classes == ("cat", "dog")
    assert len(train) + len(test) == 10


def test_loops_of_links_are_passed_over_and_linked_classes_are_not(tmp_path: Path) -> None:
    root = data_samples.class_folders(tmp_path / "pictures", classes=("cat",))
    elsewhere = data_samples.class_folders(tmp_path / "elsewhere", classes=("dog",), seed=9000)
    (root / "dog").symlink_to(elsewhere / "dog")
    (root / "up").symlink_to("..")
    (root / "here").symlink_to(".")
    (root / "itself").symlink_to("itself")
    (root / "cat" / "up").symlink_to("..")
    train, test = folder.load(str(root))
    assert train.classes == ("cat", "dog")
    assert len(train) + len(test) == 10


def test_a_folder_beside_train_and_test_is_said_to_be_unread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_samples.train_and_test(tmp_path)
    (tmp_path / "more").mkdir()
    folder.load(str(tmp_path))
    assert f"warning: only test/, train/ of {tmp_path} are read, not more\n" in capsys.readouterr().err


# --- what is refused, in one sentence


def test_without_a_path_the_option_is_named() -> None:
    with pytest.raises(PlanError, match="lacks the key 'path'") as caught:
        folder.load()
    assert "--data" in str(caught.value.hint)


def test_a_missing_folder(tmp_path: Path) -> None:
    assert refused(tmp_path / "none").sentence == f"{tmp_path / 'none'} does not exist."


def test_a_file_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "pictures.zip").touch()
    assert "is a file, not a folder" in refused(tmp_path / "pictures.zip").sentence


def test_a_folder_without_class_folders(tmp_path: Path) -> None:
    data_samples.picture(0).save(tmp_path / "loose.png")
    assert refused(tmp_path).sentence == f"{tmp_path} holds no class folders."


def test_an_empty_class_folder(tmp_path: Path) -> None:
    (data_samples.class_folders(tmp_path) / "bird").mkdir()
    assert refused(tmp_path).sentence == f"The class folder {tmp_path / 'bird'} holds no pictures."


def test_one_class(tmp_path: Path) -> None:
    data_samples.class_folders(tmp_path, classes=("cat",))
    assert "one class only ('cat')" in refused(tmp_path).sentence


def test_train_without_test(tmp_path: Path) -> None:
    data_samples.class_folders(tmp_path / "train")
    error = refused(tmp_path)
    assert error.sentence == f"{tmp_path} has train/ but no test/."
    assert error.hint == f"add test/, or name {tmp_path / 'train'}"


def test_other_classes_in_test_than_in_train(tmp_path: Path) -> None:
    data_samples.train_and_test(tmp_path)
    (tmp_path / "test" / "dog").rename(tmp_path / "test" / "wolf")
    assert refused(tmp_path).sentence == f"{tmp_path}/train and {tmp_path}/test differ in classes: dog, wolf."


@pytest.mark.parametrize("options", [{"size": 0}, {"channels": 2}, {"test": 0.0}, {"test": 1.0}])
def test_an_option_out_of_range(tmp_path: Path, options: dict[str, float]) -> None:
    data_samples.class_folders(tmp_path)
    assert isinstance(refused(tmp_path, **options), PlanError)


# --- leaks


def test_a_picture_in_train_and_test_is_a_leak_and_both_are_named(tmp_path: Path) -> None:
    data_samples.train_and_test(tmp_path)
    learnt, copy = tmp_path / "train" / "cat" / "003.png", tmp_path / "test" / "dog" / "new name.png"
    shutil.copy(learnt, copy)
    error = refused(tmp_path)
    assert error.sentence == f"{learnt} and {copy} are the same picture."


def test_more_leaks_are_counted(tmp_path: Path) -> None:
    data_samples.train_and_test(tmp_path)
    for i in range(3):
        shutil.copy(tmp_path / "train" / "cat" / f"{i:03}.png", tmp_path / "test" / "cat" / f"copy{i}.png")
    assert refused(tmp_path).sentence.endswith("and so are 2 more in the test split and beside it.")


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000))
def test_copies_of_a_picture_stay_on_one_side_of_the_split(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    root = data_samples.class_folders(tmp_path_factory.mktemp("pictures"))
    for name in ("cat", "dog"):
        for i in range(5):
            shutil.copy(root / name / f"{i:03}.png", root / name / f"{i:03} copy.png")
    train, test = folder.load(str(root), size=12, test=0.4, seed=seed)
    assert not {image.tobytes() for image in train.load_all()} & {image.tobytes() for image in test.load_all()}
    assert len(train) + len(test) == 20
    assert min(len(train), len(test)) >= 4


# --- broken pictures


def broken(root: Path) -> Path:
    """A class folder pair with 20 pictures, of which one is half a file; its path."""
    data_samples.class_folders(root, count=10)
    path = root / "dog" / "004.png"
    path.write_bytes(path.read_bytes()[:200])
    return path


def test_a_broken_picture_is_named_and_stops_the_load(tmp_path: Path, cache: Path) -> None:
    path = broken(tmp_path)
    error = refused(tmp_path)
    assert isinstance(error, DataError)
    assert error.sentence.startswith(f"Cannot read {path}: ")
    assert "skip_broken" in str(error.hint)
    assert kept(cache) == []


def test_broken_pictures_can_be_left_out_and_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = broken(tmp_path)
    for _ in ("decoded", "from the cache"):
        train, test = folder.load(str(tmp_path), skip_broken=True)
        assert len(train) + len(test) == 19
        assert train.load_all().reshape(len(train), -1).any(axis=1).all()
        assert f"warning: left out 1 of 20 pictures that cannot be read, {path} first" in capsys.readouterr().err


def test_what_was_left_out_once_stops_a_strict_load_all_the_same(tmp_path: Path) -> None:
    path = broken(tmp_path)
    folder.load(str(tmp_path), skip_broken=True)
    error = refused(tmp_path)
    assert error.sentence.startswith(f"Cannot read {path}: ")


def test_a_dangling_link_is_a_broken_picture(tmp_path: Path) -> None:
    data_samples.class_folders(tmp_path)
    (tmp_path / "cat" / "gone.png").symlink_to("nowhere.png")
    assert "gone.png: No such file or directory" in refused(tmp_path).sentence


# --- the cache


def decoding_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(_decoded, "in_processes", never)


def test_pictures_are_decoded_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_samples.train_and_test(tmp_path)
    first = folder.load(str(tmp_path))
    names = kept(cache)
    decoding_forbidden(monkeypatch)
    second = folder.load(str(tmp_path))
    assert all(np.array_equal(a.load_all(), b.load_all()) for a, b in zip(first, second, strict=True))
    assert kept(cache) == names
    assert [Path(name).suffix for name in names] == [".json", ".npy"]


def test_many_pictures_stay_on_the_disk_until_they_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_samples.train_and_test(tmp_path)
    monkeypatch.setattr(_stored, "LARGE_BYTES", 0)
    decoded_now, kept_before = folder.load(str(tmp_path)), folder.load(str(tmp_path))
    assert all(isinstance(split.images, _stored.Stored) for split in (*decoded_now, *kept_before))


def test_a_moved_folder_and_another_seed_need_no_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = data_samples.class_folders(tmp_path / "here")
    folder.load(str(root))
    decoding_forbidden(monkeypatch)
    folder.load(str(root.rename(tmp_path / "there")), seed=5)


def test_another_size_or_channel_is_another_cache(tmp_path: Path, cache: Path) -> None:
    data_samples.class_folders(tmp_path)
    for options in ({}, {"size": 16}, {"channels": 1}):
        folder.load(str(tmp_path), **options)  # type: ignore[arg-type]
    assert len(kept(cache)) == 6


def test_a_picture_replaced_under_its_old_size_and_time_is_seen(tmp_path: Path) -> None:
    data_samples.class_folders(tmp_path)
    for path in tmp_path.glob("*/*.png"):
        Image.open(path).save(path.with_suffix(".bmp"))  # uncompressed: all of one size
        path.unlink()
    before = [split.load_all() for split in folder.load(str(tmp_path), size=12)]
    for path in tmp_path.glob("*/*.bmp"):
        stat = path.stat()
        Image.open(path).transpose(Image.Transpose.ROTATE_180).save(path)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    after = [split.load_all() for split in folder.load(str(tmp_path), size=12)]
    turned = {image[::-1, ::-1].tobytes() for images in before for image in images}
    assert {image.tobytes() for images in after for image in images} == turned


def test_writing_into_the_pictures_does_not_reach_the_cache(tmp_path: Path) -> None:
    data_samples.train_and_test(tmp_path)
    train, _ = folder.load(str(tmp_path))
    before = train.load_all().copy()
    train.load_all()[:] = 0
    again, _ = folder.load(str(tmp_path))
    assert np.array_equal(again.load_all(), before)


@pytest.mark.parametrize("suffix", [".npy", ".json"])
@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, cache: Path, suffix: str, damage: bytes | None) -> None:
    data_samples.train_and_test(tmp_path)
    before, _ = folder.load(str(tmp_path))
    expected = before.load_all().copy()
    [path] = cache.glob(f"*{suffix}")
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2] if damage is None else damage)
    after, _ = folder.load(str(tmp_path))
    assert np.array_equal(after.load_all(), expected)
    assert path.read_bytes() == content


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_a_cache_that_rotted_by_a_bit_is_made_anew(tmp_path: Path, cache: Path, suffix: str) -> None:
    data_samples.train_and_test(tmp_path)
    before, _ = folder.load(str(tmp_path))
    expected = before.load_all().copy()
    [path] = cache.glob(f"*{suffix}")
    content = path.read_bytes()
    for place in (len(content) // 3, len(content) - 9):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        after, _ = folder.load(str(tmp_path))
        assert np.array_equal(after.load_all(), expected)
        assert path.read_bytes() == content


def test_what_was_seen_of_near_copies_is_looked_for_anew_if_its_cache_is_damaged(tmp_path: Path, cache: Path) -> None:
    data_samples.class_folders(tmp_path)
    before, _ = folder.load(str(tmp_path))
    [path] = (cache.parent / "looked").glob("*.json")
    content = path.read_text()
    for damaged in ("[" * 5000, "null", "[]", "{}", content.replace("12", "13"), content[:99], ""):
        path.write_text(damaged)
        after, _ = folder.load(str(tmp_path))
        assert np.array_equal(after.load_all(), before.load_all())
        assert path.read_text() == content


def test_two_loads_at_once_make_one_cache(tmp_path: Path, cache: Path) -> None:
    data_samples.train_and_test(tmp_path)
    load = "import sys; from edgecnn.data import folder; print(folder.load(sys.argv[1])[0].load_all().sum())"
    loads = [
        subprocess.Popen([sys.executable, "-c", load, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    sums = {child.communicate()[0] for child in loads}
    assert len(sums) == 1
    assert sorted(path.suffix for path in cache.iterdir()) == [".json", ".npy"]


def test_a_cache_that_cannot_be_written_says_which_variable_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_samples.class_folders(tmp_path / "pictures")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="Cannot write") as caught:
        folder.load(str(tmp_path / "pictures"))
    assert "XDG_CACHE_HOME" in str(caught.value.hint)


# --- several processes


def test_processes_decode_what_one_process_decodes(tmp_path: Path) -> None:
    data_samples.class_folders(tmp_path, count=3 * _decoded.CHUNK // 2 + 1)
    paths = sorted(tmp_path.glob("*/*.png"))
    (tmp_path / "cat" / "020.png").write_bytes(b"")
    images, left_out = _decoded.images(paths, _decoded.digests(paths), shape=(9, 9, 3), skip_broken=True)
    assert left_out == [20]
    assert not images[20].any()
    for path, image in zip(paths, images, strict=True):  # type: ignore[arg-type]
        if path.name != "020.png" or path.parent.name != "cat":
            assert np.array_equal(image, preprocessing.decode(path, height=9, width=9, channels=3))


LOAD = "import sys; from edgecnn.data import folder; folder.load(sys.argv[1], size=512)"


def started(tmp_path: Path, cache: Path, program: str = LOAD) -> subprocess.Popen[str]:
    """A process group that is in the midst of decoding `tmp_path`."""
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not any(path.stat().st_size for path in cache.glob(".*.npy")) and child.poll() is None:
        time.sleep(0.005)
    assert child.poll() is None, child.communicate()[1]
    return child


def many_pictures(root: Path) -> Path:
    """Enough of them that a signal meets the decoding on its way; copies, for they are quick to make."""
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        data_samples.picture(len(name) + ord(name[0]), 512, 512).save(root / name / "0.jpg")
        for i in range(1, 150):
            os.link(root / name / "0.jpg", root / name / f"{i}.jpg")
    return root


def test_ctrl_c_ends_all_processes_quietly_and_leaves_no_half_cache(tmp_path: Path, cache: Path) -> None:
    child = started(many_pictures(tmp_path), cache)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    _, said = child.communicate()  # comes back when the last process that holds stderr has ended
    assert child.returncode in (-signal.SIGINT, 130, 1)
    assert said.count("KeyboardInterrupt") == 1
    assert "SpawnProcess" not in said
    assert kept(cache) == []


def test_after_a_kill_the_next_load_decodes_all(tmp_path: Path, cache: Path) -> None:
    child = started(many_pictures(tmp_path), cache)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert not [name for name in kept(cache) if not name.startswith(".")]
    train, test = folder.load(str(tmp_path), size=8)
    assert len(train) + len(test) == 300
    assert not [name for name in kept(cache) if name.startswith(".")]


def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path) -> None:
    data_samples.class_folders(tmp_path / "pictures", count=_decoded.CHUNK)
    script = tmp_path / "script.py"
    script.write_text(
        "from edgecnn.data import folder\n"
        "from edgecnn.errors import EnvironmentUnfit\n"
        "try:\n"
        f"    folder.load({str(tmp_path / 'pictures')!r})\n"
        "except EnvironmentUnfit as error:\n"
        "    print(error.hint)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert "__main__" in done.stdout
