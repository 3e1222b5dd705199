from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn import data
from edgecnn.data import Split, cifar10, digits, fashion_mnist, folder, stratified
from edgecnn.errors import DataError, PlanError, UsageError
from edgecnn.records.recipe import DataPlan


def split_of(counts: list[int], classes: tuple[str, ...] | None = None) -> Split:
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.zeros((len(labels), 2, 2, 1), dtype=np.uint8)
    return Split(images, labels, classes or tuple(f"class {i}" for i in range(len(counts))))


# --- setting pictures apart


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=6), st.floats(0, 1, exclude_min=True), st.integers(0, 2**32 - 1)
)
def test_the_same_share_of_every_class_is_set_apart_and_one_is_left(counts: list[int], share: float, seed: int) -> None:
    labels = split_of(counts).labels
    apart = stratified(labels, share, seed)
    for label, count in enumerate(counts):
        taken = int(apart[labels == label].sum())
        assert taken < count or (count == 1 and taken == 0)
        assert taken == 0 if count == 1 else abs(taken - share * count) <= 1
    assert np.array_equal(apart, stratified(labels, share, seed))


def test_another_seed_sets_other_pictures_apart() -> None:
    labels = split_of([50, 50]).labels
    assert not np.array_equal(stratified(labels, 0.5, 0), stratified(labels, 0.5, 1))


# --- the three splits


def test_validation_is_cut_from_train_and_test_is_left_alone() -> None:
    whole, test = digits.load()
    splits = data.load(DataPlan(name="digits", validation=0.1))
    assert len(splits.train) + len(splits.validation) == len(whole)
    assert abs(len(splits.validation) - 0.1 * len(whole)) <= 10
    assert np.array_equal(splits.test.load_all(), test.load_all())
    assert np.array_equal(whole.images[splits.train_indices], splits.train.load_all())
    held_out = np.setdiff1d(np.arange(len(whole)), splits.train_indices)
    assert np.array_equal(whole.images[held_out], splits.validation.load_all())
    assert np.array_equal(whole.labels[held_out], splits.validation.labels)


def test_the_seed_of_the_plan_moves_validation_and_nothing_else() -> None:
    first, second = (data.load(DataPlan(name="digits", seed=seed)) for seed in (0, 1))
    assert not np.array_equal(first.train_indices, second.train_indices)
    assert np.array_equal(first.test.load_all(), second.test.load_all())


def test_an_unknown_data_set_is_a_usage_error_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no data set named 'digit'") as caught:
        data.load(DataPlan(name="digit"))
    assert "did you mean 'digits'? Known: cifar10, coco, csv-list, digits, fashion-mnist" in str(caught.value.hint)


def test_an_unknown_option_of_a_data_set_is_named() -> None:
    with pytest.raises(PlanError, match=r"\[data\] has an unknown key 'pth'"):
        data.load(DataPlan(name="folder", options={"pth": "."}))


# --- what cannot be learnt from


@pytest.mark.parametrize(
    ("split", "name", "sentence"),
    [
        (split_of([0, 0]), "test", "The test split holds no pictures"),
        (split_of([9], ("cat",)), "training", r"one class only \('cat'\)"),
        (split_of([9, 1]), "training", "Class 'class 1' has 1 training pictures; at least 2 are needed"),
        (split_of([9, 0]), "training", "Class 'class 1' has 0 training pictures"),
    ],
)
def test_a_split_nothing_can_be_learnt_from_is_refused(split: Split, name: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        data.check(split, name)


def test_a_test_split_may_lack_a_class() -> None:
    data.check(split_of([3, 0]), "test")


# --- digits


def test_digits_are_scaled_to_the_whole_range_of_a_byte() -> None:
    train, test = digits.load()
    assert (len(train), len(test)) == (1438, 359)
    assert train.images.shape[1:] == (8, 8, 1)
    values = np.unique(np.concatenate([train.load_all(), test.load_all()]))
    assert values.tolist() == [round(v * 255 / 16) for v in range(17)]
    assert np.bincount(test.labels).min() >= 34


def test_every_digit_is_in_exactly_one_split() -> None:
    from sklearn.datasets import load_digits

    train, test = digits.load()
    images = np.concatenate([train.load_all(), test.load_all()]).reshape(-1, 64)
    labels = np.concatenate([train.labels, test.labels])
    values, targets = load_digits(return_X_y=True)
    published = sorted(
        (bytes(np.rint(v * 255 / 16).astype(np.uint8)), int(t)) for v, t in zip(values, targets, strict=True)
    )
    assert sorted((bytes(i), int(t)) for i, t in zip(images, labels, strict=True)) == published


def test_digits_refuse_to_be_mirrored_and_say_why() -> None:
    assert "mirrored" in digits.FORBIDDEN_AUGMENTATIONS["flip"]
    assert not any("flip" in other.FORBIDDEN_AUGMENTATIONS for other in (cifar10, fashion_mnist, folder))


# --- the real Fashion-MNIST, where Debian's package is


@pytest.mark.skipif(not fashion_mnist.DEBIAN_FOLDER.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_debians_fashion_mnist_passes_the_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECNN_DATA", str(tmp_path))
    train, test = fashion_mnist.load()
    assert np.bincount(train.labels).tolist() == [6000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    # The mean and the standard deviation every tutorial normalises with.
    assert train.load_all().mean() / 255 == pytest.approx(0.2860, abs=1e-4)
    assert train.load_all().std() / 255 == pytest.approx(0.3530, abs=1e-4)
