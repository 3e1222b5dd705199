"""The generator: what decides a label decides it alone, and any number of pictures can be had."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn import data
from edgecnn.common.stats import wilson
from edgecnn.data import Split, _shape_figures, _shape_scenes, _stored, shapes
from edgecnn.data._shape_scenes import TASKS
from edgecnn.errors import PlanError
from edgecnn.records.recipe import DataPlan

Kinds = npt.NDArray[np.int64]


def pictures(count: int, **options: object) -> Split:
    return shapes.load(count, 1, **options)[0]  # type: ignore[arg-type]


def kinds_at(split: Split) -> npt.NDArray[np.int8]:
    """(N, H, W): 1 where a warm mark is, -1 where a cool one is, 0 elsewhere."""
    red, _, blue = split.load_all().astype(int).transpose(3, 0, 1, 2)
    return ((red - blue > 95).astype(np.int8) - (blue - red > 95)).astype(np.int8)


def corners(kinds: npt.NDArray[np.int8], distance: int) -> tuple[Kinds, Kinds]:
    """(N, 4) kinds of the marks at upper left, upper right, lower left, lower right; (N, 2) where the first starts."""
    filled = kinds != 0
    top, left = filled.any(2).argmax(1), filled.any(1).argmax(1)
    step, picture = distance + shapes.MARK - 2, np.arange(len(kinds))
    at_corners = [kinds[picture, top + down * step, left + right * step] for down in (0, 1) for right in (0, 1)]
    return np.stack(at_corners, 1).astype(np.int64), np.stack([top, left], 1)


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**40), short=st.integers(1, 600), more=st.integers(1, 300), test=st.integers(1, 300))
def test_a_longer_set_begins_with_the_shorter_one(task: str, seed: int, short: int, more: int, test: int) -> None:
    train, tested = shapes.load(short, test, seed=seed, task=task)
    longer, same = shapes.load(short + more, test, seed=seed, task=task)
    assert np.array_equal(longer.images[:short], train.load_all())
    assert np.array_equal(longer.labels[:short], train.labels)
    assert np.array_equal(same.load_all(), tested.load_all())


@pytest.mark.parametrize("task", TASKS)
def test_no_picture_comes_twice_neither_in_one_split_nor_in_both_nor_under_two_seeds(task: str) -> None:
    train, test = shapes.load(600, 300, task=task)
    other, _ = shapes.load(600, 1, task=task, seed=1)
    everything = np.concatenate([train.load_all(), test.load_all(), other.load_all()]).reshape(1500, -1)
    assert len(np.unique(everything, axis=0)) == 1500


@pytest.mark.parametrize("task", TASKS)
def test_every_class_is_as_frequent_as_any_other(task: str) -> None:
    counts = np.bincount(pictures(1001, task=task).labels)
    assert len(counts) == len(TASKS[task])
    assert counts.max() - counts.min() <= 1


def test_a_set_takes_the_memory_of_its_pictures_and_little_more() -> None:
    pictures(1)
    tracemalloc.start()
    try:
        whole = pictures(20_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < whole.load_all().nbytes + whole.labels.nbytes + 30e6


@pytest.mark.parametrize("size", [8, 20, 33, 64])
@pytest.mark.parametrize("task", TASKS)
def test_a_picture_can_have_any_size(task: str, size: int) -> None:
    options = {"smallest": 4, "largest": 6, "distance": 2, "clutter": 1.0}
    assert pictures(50, task=task, size=size, **options).images.shape == (50, size, size, 3)


def test_without_clutter_nothing_but_the_object_stands_out() -> None:
    def edges(clutter: float) -> float:
        images = pictures(500, clutter=clutter, smallest=6, largest=6).load_all().astype(int)
        return float((np.abs(np.diff(images, axis=2)).max(3) > shapes.NOISE).mean())

    assert edges(0.0) < edges(0.3) < edges(1.0)


def test_the_object_has_the_side_that_was_asked_for() -> None:
    for side in (8, 16, 28):
        plain = pictures(500, task="shape", clutter=0.0, smallest=side, largest=side)
        discs = plain.images[plain.labels == 0].astype(int)
        objects = np.abs(discs - discs[:, :1, :1]).max(3) > shapes.NOISE  # the corner is background
        # A part of the disc may have the background's colour, so the middle one of all heights is looked at.
        heights = [np.ptp(np.flatnonzero(scene.any(1))) + 1 for scene in objects if scene.any()]
        assert abs(np.median(heights) - side) <= 1


def first_differences(task: str) -> npt.NDArray[np.float64]:
    """Per class, mean |difference| of pixels one apart along x, y and the two diagonals: (K, 4), each row scaled."""
    split = pictures(3000, task=task, clutter=0.0, smallest=20, largest=24)
    grey = split.load_all().mean(3)
    along = [np.diff(grey, axis=2), np.diff(grey, axis=1), grey[:, 1:, 1:] - grey[:, :-1, :-1],
             grey[:, 1:, :-1] - grey[:, :-1, 1:]]  # fmt: skip
    means = np.array([[np.abs(d[split.labels == k]).mean() for d in along] for k in range(len(split.classes))])
    return means / means.mean(1, keepdims=True)


def test_texture_is_told_by_neighbouring_pixels_and_shape_is_not() -> None:
    texture = first_differences("texture")
    horizontal, vertical, rising, falling = texture[:4]
    assert horizontal.argmin() == 0  # along a stripe nothing changes
    assert vertical.argmin() == 1
    assert falling.argmin() == 2
    assert rising.argmin() == 3
    assert np.ptp(first_differences("shape"), axis=0).max() < 0.1 * np.ptp(texture, axis=0).max()


def test_an_arrow_points_where_its_label_says() -> None:
    split = pictures(2000, task="direction", clutter=0.0, smallest=20, largest=24)
    images = split.load_all().astype(float)
    objects = np.abs(images - np.median(images, axis=(1, 2), keepdims=True)).max(3) > 1.5 * shapes.NOISE
    place = np.arange(32) - 15.5
    # The half of an arrow with the point is the heavier one about the middle of its extent.
    lean = np.zeros((len(split), 2))
    for i, arrow in enumerate(objects):
        for axis in (0, 1):
            filled = arrow.sum(axis)
            span = np.flatnonzero(filled > 1)
            lean[i, axis] = (filled * place).sum() / filled.sum() - place[span[[0, -1]]].mean()
    right, down, left, up = (lean[split.labels == k].mean(0) for k in range(4))
    for towards, away, axis in ((right, left, 0), (down, up, 1)):
        assert towards[axis] > 0.25 > abs(towards[1 - axis])
        assert away[axis] < -0.25 < -abs(away[1 - axis])


@pytest.mark.parametrize(("distance", "size"), [(4, 16), (8, 32), (10, 32), (16, 48)])
def test_a_relation_is_that_of_all_marks_and_of_no_smaller_part(distance: int, size: int) -> None:
    split = pictures(4000, task="relation", distance=distance, size=size, clutter=1.0)
    kinds = kinds_at(split)
    marks, _ = corners(kinds, distance)
    rows_alike = (marks[:, 0] == marks[:, 1]) & (marks[:, 2] == marks[:, 3])
    columns_alike = (marks[:, 0] == marks[:, 2]) & (marks[:, 1] == marks[:, 3])
    assert np.array_equal(rows_alike, split.labels == 0)
    assert np.array_equal(columns_alike, split.labels == 1)

    # The same bag of marks in every picture: two of nine pixels of either kind.
    area = 2 * shapes.MARK**2
    assert ((kinds == 1).sum((1, 2)) == area).all()
    assert ((kinds == -1).sum((1, 2)) == area).all()

    # Either kind at any corner says nothing of the label.
    for corner in range(4):
        warm = marks[:, corner] == 1
        share = wilson(int((split.labels[warm] == 0).sum()), int(warm.sum()))
        assert share.low_percent - 1 < 50 < share.high_percent + 1


@pytest.mark.parametrize(("distance", "size"), [(4, 16), (8, 32), (10, 32)])
def test_a_field_below_the_distance_holds_no_two_marks_and_no_mark_with_the_border(distance: int, size: int) -> None:
    kinds = kinds_at(pictures(500, task="relation", distance=distance, size=size))
    step = distance + shapes.MARK - 2
    _, start = corners(kinds, distance)
    numbered = np.zeros(kinds.shape, dtype=np.uint8)  # one bit a mark
    for i, (top, left) in enumerate(start):
        for corner in range(4):
            y, x = top + corner // 2 * step, left + corner % 2 * step
            numbered[i, y : y + shapes.MARK, x : x + shapes.MARK] = 1 << corner
    assert np.array_equal(numbered != 0, kinds != 0)
    bordered = np.pad(numbered, ((0, 0), (1, 1), (1, 1)), constant_values=1 << 4)

    def most_seen(side: int) -> int:
        windows = np.lib.stride_tricks.sliding_window_view(bordered, (side, side), (1, 2))
        holds = np.bitwise_or.reduce(windows, axis=(3, 4))
        return int(np.bitwise_count(holds).max())

    assert most_seen(distance - 1) == 1
    assert most_seen(distance) >= 2


def test_a_bag_of_small_patches_cannot_tell_a_relation_that_it_can_tell_of_textures() -> None:
    from sklearn.linear_model import LogisticRegression

    def accuracy(task: str) -> tuple[float, float]:
        """95 % interval in percent, of a linear readout of how often each kind of 4 x 4 patch occurs."""
        split = pictures(2000, task=task, distance=8, clutter=0.0)
        few = np.flatnonzero(split.labels < 2)[:1000]
        grey = split.images[few].astype(np.float32)
        grey -= grey.mean((1, 2), keepdims=True)
        patches = np.lib.stride_tricks.sliding_window_view(grey, (4, 4), (1, 2))[:, ::2, ::2].reshape(
            len(few), 15 * 15, -1
        )
        filters = np.random.default_rng(0).normal(size=(48, 24)).astype(np.float32)
        bag = np.maximum(0, patches @ filters / 100 - 1).mean(1)  # what a net with a global average pool sums up
        labels, half = split.labels[few], len(few) // 2
        bag = (bag - bag[:half].mean(0)) / bag[:half].std(0)
        readout = LogisticRegression(max_iter=300).fit(bag[:half], labels[:half])
        correct = int((readout.predict(bag[half:]) == labels[half:]).sum())
        share = wilson(correct, len(labels) - half)
        return share.low_percent, share.high_percent

    low, high = accuracy("relation")
    assert low - 1 < 50 < high + 1
    assert accuracy("texture")[0] > 80


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"count": 0}, "count = 0"),
        ({"test": 0}, "test = 0"),
        ({"seed": -1}, "seed = -1"),
        ({"task": "shap"}, "'shap' is unknown"),
        ({"clutter": 1.5}, "clutter = 1.5"),
        ({"size": 4}, "size = 4"),
        ({"smallest": 3}, "smallest = 3"),
        ({"smallest": 20, "largest": 19}, "largest = 19"),
        ({"largest": 31}, "largest = 31"),
        ({"task": "relation", "distance": 1}, "distance = 1 "),
        ({"task": "relation", "distance": 11}, "size // 3 = 10"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence.replace("/", "[/]")):
        data.load(DataPlan(name="shapes", options=options))


def test_a_large_set_is_drawn_anew_when_any_code_that_draws_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(_stored, "LARGE_BYTES", 1)
    modules = [Path(module.__file__ or "") for module in (shapes, _shape_scenes, _shape_figures)]
    read_bytes = Path.read_bytes
    for changed in (None, None, *modules):

        def edited(path: Path, changed: Path | None = changed) -> bytes:
            return read_bytes(path) + b"#" * (path == changed)

        monkeypatch.setattr(Path, "read_bytes", edited)
        pictures(8)
    sets = {path for path in (tmp_path / "edgecnn" / "generated").iterdir() if path.suffix == ".npy"}
    assert len(sets) == 2 * (1 + len(modules))  # train and test
