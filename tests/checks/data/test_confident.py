"""Confident learning, the folds it stands on, and Holm's correction."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.checks.data import confident, cross_validation
from edgecnn.common import stats


def test_a_label_is_suspicious_if_another_class_reaches_its_own_threshold() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.4, 0.6], [0.3, 0.7], [0.95, 0.05]], np.float32)
    # thresholds: class 0 (0.9 + 0.8 + 0.1) / 3 = 0.6, class 1 (0.6 + 0.7 + 0.05) / 3 = 0.45
    places, likely = confident.suspicious(labels, shares)
    assert places.tolist() == [5, 2]  # the surest first: 0.95 - 0.05, then 0.9 - 0.1
    assert likely.tolist() == [0, 1]


def test_a_class_that_the_classifier_is_unsure_of_has_a_lower_threshold() -> None:
    labels = np.array([0, 0, 1, 1, 0])
    shares = np.array([[0.95, 0.05], [0.9, 0.1], [0.5, 0.5], [0.55, 0.45], [0.5, 0.5]], np.float32)
    places, likely = confident.suspicious(labels, shares)
    assert (places.tolist(), likely.tolist()) == ([4], [1])  # argmax would say class 0


@given(st.integers(2, 6), st.integers(10, 60), st.integers(0, 1 << 30))
def test_no_label_is_suspicious_where_the_classifier_agrees_surely(classes: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, count)])
    shares = np.full((len(labels), classes), 0.1 / classes, np.float32)
    shares[np.arange(len(labels)), labels] += 0.9
    assert len(confident.suspicious(labels, shares)[0]) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=80))
def test_copies_lie_in_one_fold_and_every_class_in_all_that_it_can(pictures: list[tuple[int, int]]) -> None:
    labels = np.array([label for label, _ in pictures])
    keys = np.array([f"{label} {key}" for label, key in pictures])
    fold = cross_validation.folds(labels, keys)
    for key in set(keys.tolist()):
        assert len(set(fold[keys == key].tolist())) == 1
    for label in set(labels.tolist()):
        here = labels == label
        assert len(set(fold[here].tolist())) == min(cross_validation.FOLDS, len(set(keys[here].tolist())))


def test_p_values_are_corrected_for_their_number_and_stay_in_order() -> None:
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == [0.03, 0.06, 0.06, 0.02]
    assert stats.holm([0.9, 0.8]) == [1.0, 1.0]
    assert stats.holm([]) == []
