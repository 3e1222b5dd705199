"""Splits by content: a held-out picture stays held out while the folder around it changes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.data._cut import by_key, joined

KEYS = st.lists(st.integers(0, 10_000).map(str), min_size=2, max_size=60)


def labels_of(keys: list[str], classes: int = 3) -> np.ndarray:
    return np.array([int(key) % classes for key in keys], dtype=np.int64)


@given(KEYS, st.floats(0.05, 0.95), st.text(max_size=5))
def test_pictures_of_one_key_are_never_parted(keys: list[str], share: float, salt: str) -> None:
    twice = np.array([*keys, *keys])
    apart = by_key(labels_of(twice.tolist()), twice, share, salt)
    assert np.array_equal(apart[: len(keys)], apart[len(keys) :])


@given(KEYS, st.randoms())
def test_the_order_of_the_pictures_decides_nothing(keys: list[str], random: object) -> None:
    shuffled = list(keys)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    sides = dict(zip(keys, by_key(labels_of(keys), np.array(keys), 0.3, "test 0"), strict=True))
    assert sides == dict(zip(shuffled, by_key(labels_of(shuffled), np.array(shuffled), 0.3, "test 0"), strict=True))


def test_pictures_that_come_move_none_that_were_there() -> None:
    keys = [str(number) for number in range(900)]
    before = by_key(labels_of(keys[:300]), np.array(keys[:300]), 0.2, "test 0")
    after = by_key(labels_of(keys), np.array(keys), 0.2, "test 0")
    assert np.array_equal(before, after[:300])


@given(KEYS, st.floats(0.01, 0.99))
def test_a_class_of_several_keys_has_some_on_either_side(keys: list[str], share: float) -> None:
    labels = labels_of(keys)
    apart = by_key(labels, np.array(keys), share, "test 0")
    for label in np.unique(labels):
        of_class = apart[labels == label]
        if len({key for key in keys if int(key) % 3 == label}) > 1:
            assert of_class.any()
            assert not of_class.all()


@given(KEYS, st.floats(0.01, 0.99))
def test_as_many_as_needed_are_left_if_some_can_be_set_apart(keys: list[str], share: float) -> None:
    labels, unlike = labels_of(keys), np.array(keys)
    apart = by_key(labels, unlike, share, "test 0", least=2)
    for label in np.unique(labels):
        if len(np.unique(unlike[labels == label])) > 2:
            assert np.count_nonzero(~apart[labels == label]) >= 2
            assert apart[labels == label].any()


def test_the_share_is_met_as_closely_as_by_independent_draws() -> None:
    keys = np.array([str(number) for number in range(20_000)])
    apart = by_key(np.zeros(len(keys), dtype=np.int64), keys, 0.2, "test 0")
    assert abs(apart.mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / len(keys))


def test_two_purposes_are_cut_independently() -> None:
    keys = np.array([str(number) for number in range(10_000)])
    labels = np.zeros(len(keys), dtype=np.int64)
    test, validation = (by_key(labels, keys, 0.2, salt) for salt in ("test 0", "validation 0"))
    assert abs((test & validation).mean() - 0.04) < 0.01


def test_pairs_that_share_a_member_are_one_group() -> None:
    first = joined(6, np.array([[0, 2], [4, 5]]), np.array([[2, 3]]))
    assert first.tolist() == [0, 1, 0, 0, 4, 4]
    assert joined(2, np.empty((0, 2))).tolist() == [0, 1]
