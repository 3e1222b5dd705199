"""Scores and true classes: held against definitions, by hand and by random scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.checks.evaluate import score
from edgecnn.common import stats


def scores(n: int, classes: int, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, classes)).astype(np.float32), rng.integers(0, classes, n)


@given(st.integers(1, 60), st.integers(2, 9), st.integers(0, 10**6))
def test_the_confusions_add_up_to_the_pictures_and_the_recalls_to_the_accuracy(n: int, classes: int, seed: int) -> None:
    logits, truth = scores(n, classes, seed)
    table = score.confusion(truth, logits.argmax(1), classes)
    assert table.sum() == n
    assert np.trace(table) == (logits.argmax(1) == truth).sum()
    for k, scored in enumerate(score.class_scores(table, [f"class {k}" for k in range(classes)])):
        assert (scored.recall is None) == (not (truth == k).any())
        assert (scored.precision is None) == (not (logits.argmax(1) == k).any())
        if scored.recall:
            assert scored.recall.n == (truth == k).sum()
            assert scored.recall.percent == pytest.approx(100 * (logits.argmax(1) == k)[truth == k].mean())


def test_a_share_has_the_wilson_interval() -> None:
    (scored, _) = score.class_scores(np.array([[9, 1], [0, 4]]), ["cat", "dog"])
    share, proportion = scored.recall, stats.wilson(9, 10)
    assert share is not None
    assert (share.low_percent, share.high_percent, share.n) == (proportion.low_percent, proportion.high_percent, 10)
    assert str(share) == "90.00 % [59.58, 98.21]"


@given(st.integers(1, 60), st.integers(6, 12), st.integers(0, 10**6))
def test_the_five_best_classes_hold_the_true_one_as_often_as_sorting_says(n: int, classes: int, seed: int) -> None:
    logits, truth = scores(n, classes, seed)
    five = np.argsort(-logits, axis=1)[:, :5]
    top5 = score.top5(score.shares_of(logits), truth)
    assert top5 is not None
    assert top5.percent == pytest.approx(100 * (five == truth[:, None]).any(1).mean())


def test_of_five_classes_the_best_five_say_nothing() -> None:
    logits, truth = scores(20, 5, 0)
    assert score.top5(score.shares_of(logits), truth) is None


def test_outputs_that_are_shares_already_are_taken_as_they_are() -> None:
    shares = np.array([[0.25, 0.5, 0.25], [0.0, 0.996, 0.004]], np.float32)
    assert score.shares_of(shares) == pytest.approx(shares)
    assert score.shares_of(10 * shares) != pytest.approx(shares)


def test_the_surest_mistakes_come_first_with_their_names() -> None:
    shares = np.array([[0.6, 0.4], [0.1, 0.9], [0.7, 0.3], [0.8, 0.2]])
    worst = score.mistakes(shares, np.array([1, 1, 0, 1]), ["cat", "dog"], ["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    assert [(mistake.picture, mistake.truth, mistake.answer) for mistake in worst] == [
        ("d.jpg", "dog", "cat"),
        ("a.jpg", "dog", "cat"),
    ]
    assert (worst[0].score, worst[0].true_score) == (0.8, 0.2)


def test_what_rounding_changes_is_told_class_by_class() -> None:
    truth = np.array([0] * 10 + [1] * 10)
    before, after = truth.copy(), truth.copy()
    before[0], after[[10, 11, 12]] = 1, 0
    gained, lost = score.changes(before, after, truth, ["cat", "dog", "no such picture"])
    assert (gained.label, gained.recall_change_pp, lost.recall_change_pp) == ("cat", 10.0, -30.0)
    assert lost.low_pp < lost.recall_change_pp < lost.high_pp
    assert lost.n == 10
