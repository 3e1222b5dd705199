"""Predictions for every picture by a classifier that has not learnt from it, nor from a copy of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import MissingPackage

FOLDS = 5
MOST_LEARNT = 5000
"""The most pictures that the classifier of a fold learns from: they bound memory and time, whatever the number of
pictures."""
BLOCK = 4096
"""Pictures that are predicted at a time."""
SEED = 0

Labels = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float32]


def folds(labels: Labels, keys: npt.NDArray[np.str_]) -> Labels:
    """Deal pictures into FOLDS parts, each with its share of every class, copies into the same part.

    Args:
        labels: (N,).
        keys: (N,) the same for pictures that stay together (`data.Overview.keys`).

    Returns:
        (N,) 0 to FOLDS - 1.
    """
    _, first, member = np.unique(keys, return_index=True, return_inverse=True)
    fold_of = np.zeros(len(first), dtype=np.int64)
    rng = np.random.default_rng(SEED)
    for label in np.unique(labels[first]):
        groups = rng.permutation(np.flatnonzero(labels[first] == label))
        fold_of[groups] = (np.arange(len(groups)) + rng.integers(FOLDS)) % FOLDS
    return fold_of[member]


def shares(features: npt.NDArray[Any], labels: Labels, fold: Labels, classes: int, model: Callable[[], Any]) -> Shares:
    """Return the probability of every class for every picture, float32 (N, classes), learnt from the other folds.

    Args:
        features: (N, F); they may lie in a file, of which a block at a time is read.
        labels: (N,) 0 to classes - 1.
        fold: (N,) of `folds`.
        classes: How many there are.
        model: Makes a classifier of scikit-learn.
    """
    result = np.zeros((len(labels), classes), dtype=np.float32)
    rng = np.random.default_rng(SEED)
    for held_out in range(FOLDS):
        learnt = np.flatnonzero(fold != held_out)
        learnt = np.sort(rng.permutation(learnt)[:MOST_LEARNT])
        fitted = model().fit(np.asarray(features[learnt], dtype=np.float32), labels[learnt])
        asked = np.flatnonzero(fold == held_out)
        for start in range(0, len(asked), BLOCK):
            part = asked[start : start + BLOCK]
            predicted = fitted.predict_proba(np.asarray(features[part], dtype=np.float32))
            result[np.ix_(part, fitted.classes_)] = predicted
    return result


def linear() -> Any:
    """Return a classifier for the features of a net: logistic regression."""
    linear_model = _sklearn("linear_model")
    return linear_model.LogisticRegression(C=0.1, max_iter=300, tol=1e-3)


def trees() -> Any:
    """Return a classifier for numbers of any kind: extremely randomised trees (Geurts et al., 2006, MLJ 63:3)."""
    ensemble = _sklearn("ensemble")
    return ensemble.ExtraTreesClassifier(200, min_samples_leaf=2, random_state=SEED)


def _sklearn(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise MissingPackage("scikit-learn", "train", "Learning from the pictures") from error
