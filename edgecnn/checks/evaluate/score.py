"""Scores held against true classes: accuracy with intervals, confusions, calibration, the worst mistakes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgecnn.common import documents, stats
from edgecnn.common.stats import Proportion
from edgecnn.onboard.unknown import softmax
from edgecnn.records.evaluation import ClassChange, ClassScore, WrongAnswer

Scores = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]

TOP = 5
MOST_MISTAKES = 24
MOST_RIGHT = 6
"""How many rightly called pictures are kept, each of another class."""
SHARES_SUM = (0.5, 1.1)
"""Between which the outputs of every picture add up where they are shares: int8 rounds many small ones to 0."""


def shares_of(logits: npt.NDArray[np.float32], temperature: float = 1.0) -> Scores:
    """Return the share of each class (N, K): the softmax, or the outputs themselves where they are shares already."""
    whole = logits.astype(np.float64)
    sums = whole.sum(1, keepdims=True)
    if (whole >= 0).all() and (sums > SHARES_SUM[0]).all() and (sums < SHARES_SUM[1]).all():
        return np.asarray(whole / sums)
    return softmax(whole / temperature)


def confusion(truth: Classes, answers: Classes, count: int) -> npt.NDArray[np.int64]:
    """Count the pictures by [true class][answer], (K, K)."""
    return np.bincount(truth * count + answers, minlength=count * count).reshape(count, count)


def class_scores(table: npt.NDArray[np.int64], labels: Sequence[str]) -> tuple[ClassScore, ...]:
    """Return recall and precision of each class from a table of confusions (K, K)."""
    pictures, called = table.sum(1), table.sum(0)
    return tuple(
        ClassScore(
            label=label,
            recall=stats.wilson(int(table[k, k]), int(pictures[k])) if pictures[k] else None,
            precision=stats.wilson(int(table[k, k]), int(called[k])) if called[k] else None,
        )
        for k, label in enumerate(labels)
    )


def top5(shares: Scores, truth: Classes) -> Proportion | None:
    """Return how often the true class is among the five best; None for five classes or fewer."""
    if shares.shape[1] <= TOP:
        return None
    better = (shares > shares[np.arange(len(truth)), truth][:, None]).sum(1)
    return stats.wilson(int((better < TOP).sum()), len(truth))


def mistakes(shares: Scores, truth: Classes, labels: Sequence[str], names: Sequence[str]) -> tuple[WrongAnswer, ...]:
    """Return the wrong answers with the largest scores, the surest first.

    Args:
        shares: (N, K).
        truth: (N,).
        labels: The classes' names.
        names: What each picture is called, (N,).
    """
    answers = shares.argmax(1)
    wrong = np.flatnonzero(answers != truth)
    worst = wrong[np.argsort(-shares[wrong, answers[wrong]], kind="stable")][:MOST_MISTAKES]
    return tuple(
        WrongAnswer(
            picture=names[index],
            index=index,
            truth=labels[truth[index]],
            answer=labels[answers[index]],
            score=float(shares[index, answers[index]]),
            true_score=float(shares[index, truth[index]]),
        )
        for index in worst.tolist()
    )


def changes(before: Classes, after: Classes, truth: Classes, labels: Sequence[str]) -> tuple[ClassChange, ...]:
    """Return how the recall of each class changes from the answers `before` to those `after`, all (N,)."""
    rows = []
    for k, label in enumerate(labels):
        of_class = truth == k
        if not of_class.any():
            continue
        was, now = before[of_class] == k, after[of_class] == k
        gained, lost, n = int((now & ~was).sum()), int((was & ~now).sum()), int(of_class.sum())
        drop, low, high = stats.paired_drop_pp(gained, lost, n)
        rows.append(ClassChange(label=label, n=n, recall_change_pp=-drop, low_pp=-high, high_pp=-low))
    return tuple(rows)


def worth_showing(worst: Sequence[WrongAnswer], answers: Classes, truth: Classes) -> Classes:
    """Return the indices of the pictures to keep: the worst mistakes, and the first right answer of some classes.

    Args:
        worst: The worst mistakes.
        answers: (N,).
        truth: (N,).
    """
    correct = np.flatnonzero(answers == truth)
    _, first = np.unique(truth[correct], return_index=True)
    return np.array([*(mistake.index for mistake in worst), *correct[first][:MOST_RIGHT]], dtype=np.int64)


def pictures_sha256(labels: Sequence[str], names: Sequence[str], images: npt.NDArray[np.uint8]) -> str:
    """Return a digest that is equal for two sets of pictures if they are the same, whatever size they were brought to.

    Args:
        labels: The true class of each, (N,).
        names: The file of each, (N,), or none where pictures are not files.
        images: (N, H, W, C), of which the digest is where there are no files.
    """
    pixels = () if names else (images.shape, hashlib.sha256(images.tobytes()).hexdigest())
    return hashlib.sha256(documents.canonical([list(labels), list(names), *pixels]).encode()).hexdigest()
