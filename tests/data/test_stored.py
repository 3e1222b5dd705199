"""Pictures that stay in their file: read by index as an array's are, whatever becomes of the file, in little memory."""

import copy
import gc
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import data_samples
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecnn import data, nets
from edgecnn.data import Split, _stored
from edgecnn.data._stored import Stored
from edgecnn.errors import DataError, OutputError
from edgecnn.nets.inference import logits
from edgecnn.pipeline.export import calibration, check
from edgecnn.pipeline.train import checkpoint
from edgecnn.pipeline.train.train import train
from edgecnn.records.recipe import AugmentPlan, DataPlan, NetPlan, Recipe


@pytest.fixture(scope="session")
def held() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (50, 4, 3, 2), dtype=np.uint8)


@pytest.fixture(scope="session")
def stored(held: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return in_file(held, tmp_path_factory.mktemp("stored") / "pictures.npy")


def in_file(held: np.ndarray, path: Path) -> Stored:
    """The pictures in a file, however few they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_stored, "LARGE_BYTES", 0)
        made = _stored.made(path, held.shape, np.array_split(held, 3))
    assert isinstance(made, Stored)
    return made


@pytest.fixture
def everything_stays_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_stored, "LARGE_BYTES", 0)


# --- read as an array is

SLICES = st.slices(50)
INDICES = st.lists(st.integers(-50, 49), max_size=60).map(lambda rows: np.array(rows, dtype=np.int64))
MASKS = arrays.arrays(np.bool_, 50)


@given(index=st.one_of(st.integers(-50, 49), SLICES, INDICES, MASKS))
def test_an_index_gives_what_the_array_gives(held: np.ndarray, stored: Stored, index: Any) -> None:
    expected, actual = held[index], stored[index]
    assert actual.shape == expected.shape
    assert actual.dtype == np.uint8
    assert np.array_equal(actual, expected)
    assert actual.flags.writeable
    assert actual.flags.c_contiguous


@given(first=st.one_of(INDICES, MASKS), data_=st.data())
def test_a_part_of_a_part_is_read_by_its_own_index(
    held: np.ndarray, stored: Stored, first: np.ndarray, data_: st.DataObject
) -> None:
    expected, actual = held[first], stored.part(first)
    assert actual.shape == expected.shape
    assert len(actual) == len(expected)
    assert np.array_equal(actual[:], expected)
    if len(expected):
        again = np.array(data_.draw(st.lists(st.integers(0, len(expected) - 1), max_size=9)), dtype=np.int64)
        assert np.array_equal(actual.part(again)[::-1], expected[again][::-1])


def test_an_index_that_is_not_there_is_refused_as_an_array_refuses_it(stored: Stored) -> None:
    for index in (50, np.array([3, 50])):
        with pytest.raises(IndexError, match="out of bounds"):
            stored[index]


@given(size=st.integers(1, 2000))
def test_blocks_are_all_pictures_in_order(held: np.ndarray, stored: Stored, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "BLOCK_BYTES", size)
        for pictures in (held, stored):
            blocks = list(data.blocks(pictures))
            assert np.array_equal(np.concatenate(blocks), held)
            assert max(block.nbytes for block in blocks) <= max(size, held[0].nbytes)


# --- the file


def test_few_pictures_are_read_whole_and_many_stay(
    held: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_stored, "LARGE_BYTES", held.nbytes)
    whole = _stored.made(tmp_path / "pictures.npy", held.shape, [held])
    assert isinstance(whole, np.ndarray)
    assert np.array_equal(whole, held)
    monkeypatch.setattr(_stored, "LARGE_BYTES", held.nbytes - 1)
    assert isinstance(_stored.opened(tmp_path / "pictures.npy", held.shape), Stored)


def test_the_file_is_one_that_numpy_reads(held: np.ndarray, tmp_path: Path) -> None:
    in_file(held, tmp_path / "pictures.npy")
    assert np.array_equal(np.load(tmp_path / "pictures.npy"), held)


def test_a_file_that_is_not_whole_or_not_these_pictures_is_not_opened(held: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "pictures.npy"
    assert _stored.opened(path, held.shape) is None
    in_file(held, path)
    content = path.read_bytes()
    assert _stored.opened(path, (49, 4, 3, 2)) is None
    for damaged in (content[:-1], content + b"\0", content[:20], b"", b"nonsense"):
        path.write_bytes(damaged)
        assert _stored.opened(path, held.shape) is None
    for other in (held.astype(np.int8), np.asfortranarray(held)):
        np.save(path, other)
        assert _stored.opened(path, held.shape) is None


def test_a_cache_cleared_under_a_training_takes_nothing_away(held: np.ndarray, tmp_path: Path) -> None:
    stored = in_file(held, tmp_path / "pictures.npy")
    (tmp_path / "pictures.npy").unlink()
    assert np.array_equal(stored[:], held)


def test_another_process_opens_it_for_itself(stored: Stored) -> None:
    some = stored.part(np.array([3, 1]))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert np.array_equal(pool.submit(np.array, some).result(), some[:])
    duplicate = copy.deepcopy(stored)
    descriptor = stored._file._descriptor
    del duplicate
    gc.collect()
    os.fstat(descriptor)  # still open


def test_a_file_cut_short_in_use_is_an_error_that_names_it(held: np.ndarray, tmp_path: Path) -> None:
    stored = in_file(held, tmp_path / "pictures.npy")
    os.truncate(tmp_path / "pictures.npy", 700)
    assert np.array_equal(stored[:3], held[:3])
    with pytest.raises(DataError, match=r"pictures\.npy was cut short"):
        stored[:]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed in /proc")
def test_the_file_is_closed_with_the_last_part_of_it(held: np.ndarray, tmp_path: Path) -> None:
    def is_open() -> bool:
        return any(link.resolve().name == "closed.npy" for link in Path("/proc/self/fd").iterdir())

    part = in_file(held, tmp_path / "closed.npy").part(np.arange(3))
    gc.collect()
    assert is_open()
    assert np.array_equal(part[:], held[:3])
    del part
    gc.collect()
    assert not is_open()


def test_a_part_that_fails_leaves_no_file(held: np.ndarray, tmp_path: Path) -> None:
    def parts() -> Iterator[np.ndarray]:
        yield held[:10]
        raise DataError("the eleventh picture is broken")

    with pytest.raises(DataError, match="eleventh"):
        _stored.made(tmp_path / "pictures.npy", held.shape, parts())
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_says_which_variable_to_set(held: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Cannot write") as caught:
        _stored.made(tmp_path / "file" / "pictures.npy", held.shape, [held])
    assert "XDG_CACHE_HOME" in str(caught.value.hint)


# --- what reads it


def recipe() -> Recipe:
    return Recipe(
        name="stored",
        data=DataPlan(name="shapes", fraction=0.7, options={"count": 900, "test": 60, "size": 16, "smallest": 8,
                                                            "largest": 14}),
        net=NetPlan(name="dscnn", options={"width": 8, "stages": 2, "depth": 1}),
        augment=AugmentPlan(flip=True, shift=1, alternate=True),
        epochs=2,
        num_threads=1,
        precision="fp32",
    )  # fmt: skip


def test_a_net_learns_from_a_file_what_it_learns_from_memory(
    tmp_path: Path, everything_stays_in_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_file = train(recipe(), tmp_path / "file")
    splits = data.load(recipe().data)
    assert all(isinstance(split.images, Stored) for split in (splits.train, splits.validation, splits.test))
    monkeypatch.setattr(_stored, "LARGE_BYTES", 1 << 26)
    assert isinstance(data.load(recipe().data).train.images, np.ndarray)
    from_memory = train(recipe(), tmp_path / "memory")
    assert from_file.weights.read_bytes() == from_memory.weights.read_bytes()
    assert (from_file.mean, from_file.std) == (from_memory.mean, from_memory.std)


def test_what_goes_through_a_split_sees_the_same_in_a_file_and_in_memory(
    tmp_path: Path, everything_stays_in_files: None
) -> None:
    run = train(recipe(), tmp_path / "run")
    there = data.load(run.recipe.data)
    here = data.Splits(in_memory(there.train), in_memory(there.validation), in_memory(there.test), there.train_indices)
    assert checkpoint.digest(there.train) == checkpoint.digest(here.train)
    assert data.pixel_statistics(there.train.images) == data.pixel_statistics(here.train.images)
    assert calibration.draw(there, 32, 0).manifest() == calibration.draw(here, 32, 0).manifest()
    for answers in (check.reference_logits, lambda run, shown: logits(nets.restore(run), shown, 9.0, 7.0)):
        assert np.array_equal(answers(run, there.test.images), answers(run, here.test.images))


def in_memory(split: Split) -> Split:
    return Split(split.load_all(), split.labels, split.classes)


def test_a_folder_that_is_split_and_has_broken_pictures_stays_in_its_file(
    tmp_path: Path, everything_stays_in_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_samples.class_folders(tmp_path / "pictures", count=10)
    (tmp_path / "pictures" / "cat" / "003.png").write_bytes(b"")
    plan = DataPlan(
        name="folder", validation=0.3, options={"path": str(tmp_path / "pictures"), "size": 9, "skip_broken": True}
    )
    there = data.load(plan)
    monkeypatch.setattr(_stored, "LARGE_BYTES", 1 << 26)
    here = data.load(plan)
    for name in ("train", "validation", "test"):
        stays, is_read = getattr(there, name), getattr(here, name)
        assert isinstance(stays.images, Stored)
        assert isinstance(is_read.images, np.ndarray)
        assert np.array_equal(stays.load_all(), is_read.load_all())
        assert stays.load_all().reshape(len(stays), -1).any(axis=1).all()


# --- memory

TRAINED = """
import json, sys
from pathlib import Path
from edgecnn.data import _stored
from edgecnn.records import environment
from edgecnn.records.recipe import DataPlan, NetPlan, Recipe
from edgecnn.pipeline.train.train import train

def recipe(count):
    net = NetPlan(name="dscnn", options={"width": 8, "stages": 2, "depth": 1, "stem_stride": 4})
    shapes = DataPlan(name="shapes", fraction=0.9, options={"count": count, "test": 10})
    return Recipe(name=str(count), data=shapes, net=net, epochs=1, batch_size=256, num_threads=1, precision="fp32")

_stored.LARGE_BYTES = int(sys.argv[2])
train(recipe(6_000), Path(sys.argv[1], "few"))
assert environment.reset_peak_rss()
before = environment.peak_rss_bytes()
run = train(recipe(40_000), Path(sys.argv[1], "many"))
print(json.dumps([environment.peak_rss_bytes() - before, run.validation_n]))
"""
PICTURES_BYTES = 40_000 * 32 * 32 * 3


def grown(tmp_path: Path, large_bytes: int) -> int:
    """Return how much a process that has trained on few pictures grows at most when it trains on 40,000."""
    said = subprocess.run(
        [sys.executable, "-c", TRAINED, str(tmp_path / str(large_bytes)), str(large_bytes)],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    growth, validated = json.loads(said)
    assert validated == 4_000
    return int(growth)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").is_file(), reason="peaks are reset through /proc")
def test_a_training_on_many_pictures_takes_a_fraction_of_their_memory(tmp_path: Path) -> None:
    assert grown(tmp_path, 1 << 26) < PICTURES_BYTES / 2
    assert grown(tmp_path, 1 << 40) > PICTURES_BYTES  # held in memory, the same training breaks that limit
