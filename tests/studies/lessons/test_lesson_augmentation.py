"""The lesson on augmentation: the guard finds classes that go over to each other, and nothing else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn import data
from edgecnn.pipeline.train import augment
from edgecnn.studies.lessons import guard
from edgecnn.studies.lessons.topics import augmentation

CLASSES = tuple("abcdefgh")
LABELS = np.repeat(np.arange(8), 40)

Labels = npt.NDArray[np.int64]


def noisy(labels: Labels, share: float, seed: int) -> Labels:
    """The labels, but for a share that is drawn anew."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(labels)) < share, rng.integers(0, 8, len(labels)), labels)


def pairs(before: Labels, after: Labels) -> set[frozenset[str]]:
    return {frozenset((swap.first, swap.second)) for swap in guard.swaps(LABELS, before, after, CLASSES)}


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(8)), st.integers(0, 4), st.floats(0, 0.3), st.integers(0, 999))
def test_it_finds_the_classes_that_are_swapped_and_only_those(
    order: list[int], count: int, share: float, seed: int
) -> None:
    swapped = [(order[2 * i], order[2 * i + 1]) for i in range(count)]
    table = np.arange(8)
    for a, b in swapped:
        table[[a, b]] = b, a
    before, after = noisy(LABELS, share, seed), noisy(table[LABELS], share, seed + 1)
    assert pairs(before, after) == {frozenset((CLASSES[a], CLASSES[b])) for a, b in swapped}


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 7), st.floats(0.3, 1), st.integers(0, 999))
def test_pictures_that_all_end_in_one_class_are_unfamiliar_and_not_swapped(into: int, share: float, seed: int) -> None:
    moved = np.random.default_rng(seed).random(len(LABELS)) < share
    assert pairs(LABELS, np.where(moved, into, LABELS)) == set()


def test_a_circle_of_three_classes_is_no_swap() -> None:
    circle = np.array([1, 2, 0, 3, 4, 5, 6, 7])
    assert pairs(LABELS, circle[LABELS]) == set()


def test_a_few_that_go_over_are_chance() -> None:
    after = LABELS.copy()
    after[:4], after[40:44] = 1, 0  # 4 of 40 in either direction
    assert pairs(LABELS, after) == set()


def test_who_was_confused_before_is_not_the_changes_doing() -> None:
    confused = np.where(LABELS == 0, 1, np.where(LABELS == 1, 0, LABELS))
    assert pairs(confused, confused) == set()


def test_shares_are_of_each_class() -> None:
    table = guard.shares(np.array([0, 0, 0, 0, 1]), np.array([0, 1, 1, 1, 1]), 3)
    assert table.tolist() == [[25, 75, 0], [0, 100, 0], [0, 0, 0]]


@pytest.mark.parametrize("name", guard.CHANGES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_change_leaves_bytes_of_the_same_shape_and_the_pictures_themselves_alone(name: str, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 9, channels), dtype=np.uint8)
    kept = images.copy()
    changed = guard.CHANGES[name](images)
    assert changed.shape == images.shape
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, images)
    assert np.array_equal(images, kept)


def test_a_half_turn_is_a_mirror_upside_down() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 9, 3), dtype=np.uint8)
    mirror, upside_down, half_turn = (guard.CHANGES[name] for name in ("mirror", "upside down", "half turn"))
    assert np.array_equal(half_turn(images), upside_down(mirror(images)))
    assert np.array_equal(half_turn(half_turn(images)), images)


@pytest.mark.parametrize("quick", [True, False])
def test_nothing_is_trained_that_its_data_set_forbids(quick: bool) -> None:
    for name, plan in augmentation.augmentations(quick).items():
        recipe = augmentation.recipe(name, plan, quick, 0)
        augment.check(plan, data.get(recipe.data.name).FORBIDDEN_AUGMENTATIONS, recipe.data.name)


@pytest.mark.parametrize("quick", [True, False])
def test_the_guards_nets_have_seen_no_change(quick: bool) -> None:
    assert all(recipe.augment.used() == () for recipe in augmentation.guarded_recipes(quick).values())
