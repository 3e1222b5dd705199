"""Probes: how often a classifier that is shown a part of what there is names the class, and which classes it tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.checks.data import cross_validation
from edgecnn.checks.data.cross_validation import Labels, Shares
from edgecnn.checks.data.suspects import CheckedPictures
from edgecnn.common import stats
from edgecnn.records.data_check import Probe, ProbeClass


@dataclass(frozen=True)
class Judged:
    """The pictures that are learnt from and predicted: readable ones of classes with enough to be dealt into folds."""

    places: npt.NDArray[np.intp]
    """(M,) among all pictures."""
    labels: Labels
    """(M,) indices of `classes`."""
    fold: Labels
    """(M,) of `cross_validation.folds`."""
    classes: tuple[str, ...]
    small: tuple[str, ...]
    """Classes with too few pictures."""


def judged(pictures: CheckedPictures) -> Judged:
    """Choose the pictures of all classes that have at least as many different ones as there are folds."""
    own, keys, readable = pictures.seen.listed, pictures.seen.keys(), pictures.seen.readable
    counts = [len(np.unique(keys[readable & (own.labels == label)])) for label in range(len(own.classes))]
    enough = np.array(counts) >= cross_validation.FOLDS
    places = np.flatnonzero(readable & enough[own.labels])
    labels = (np.cumsum(enough) - 1)[own.labels[places]]
    return Judged(
        places,
        labels,
        cross_validation.folds(labels, keys[places]),
        tuple(name for name, kept in zip(own.classes, enough, strict=True) if kept),
        tuple(name for name, kept in zip(own.classes, enough, strict=True) if not kept),
    )


def probe(name: str, words: str, shares: Shares, judged: Judged) -> Probe:
    """Return how a classifier did, by its probabilities (M, K) for pictures it has not learnt from."""
    called, labels, count = shares.argmax(1), judged.labels, len(judged.labels)
    classes = []
    for label, title in enumerate(judged.classes):
        here, so = labels == label, called == label
        both = int((here & so).sum())
        classes.append(
            ProbeClass(
                label=title,
                recall=stats.wilson(both, int(here.sum())),
                precision=stats.wilson(both, int(so.sum())) if so.any() else None,
            )
        )
    return Probe(
        name=name,
        words=words,
        accuracy=stats.wilson(int((called == labels).sum()), count),
        chance_percent=100 * float(np.bincount(labels).max()) / count,
        classes=tuple(classes),
    )
