"""The guard that measures: which pairs of classes a change of pictures turns into one another.

A net that was trained without the change is shown the same pictures before and after it. Of a class a, the pictures
that are called b only after the change are held against those called b only before it (exact McNemar test, 1947,
Psychometrika 12:153). A change that makes pictures merely unfamiliar sends them one way, into whatever class the net
falls back on; one that turns a into b and b into a shows in both directions. So a pair is reported when both rise
beyond chance, Holm's step-down (1979, Scandinavian Journal of Statistics 6:65) keeping the error of all pairs together
below 5 %, and each class is what the other is called more often than anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.common import stats
from edgecnn.pipeline.train import seen
from edgecnn.records.run import Run
from edgecnn.studies.findings import Number
from edgecnn.studies.lessons import predictions

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

LEVEL = 0.05
"""Chance that any pair at all is reported of a change that moves none."""

CHANGES: Mapping[str, Callable[[Images], Images]] = {
    "mirror": lambda images: images[:, :, ::-1],
    "upside down": lambda images: images[:, ::-1],
    "half turn": lambda images: images[:, ::-1, ::-1],
    "shift by 1": lambda images: predictions.shifted(images, 1),
    "a tenth brighter": lambda images: np.minimum(images.astype(np.int64) + 26, 255).astype(np.uint8),
}
"""What the guard is shown: uint8 (N, H, W, C) -> the same."""


@dataclass(frozen=True, kw_only=True)
class Swap:
    """Two classes that a change turns into one another."""

    first: str
    second: str
    p_value: float
    """The larger of the two directions', before Holm's correction."""


class Shown:
    """A net that was trained without any change, and what it calls its validation pictures changed."""

    def __init__(self, run: Run) -> None:
        self.split = seen.splits_of(run).validation
        self.before = predictions.float_classes(run, self.split.load_all())
        self.after = {
            name: predictions.float_classes(run, np.ascontiguousarray(change(self.split.load_all())))
            for name, change in CHANGES.items()
        }
        self.name = run.name

    def swaps(self, change: str) -> list[Swap]:
        return swaps(self.split.labels, self.before, self.after[change], self.split.classes)

    def called(self, change: str, source: str, target: str) -> Number:
        """Of the changed pictures of one class, how many are called another."""
        of_class = self.split.labels == self.split.classes.index(source)
        hits = self.after[change][of_class] == self.split.classes.index(target)
        found = stats.wilson(int(hits.sum()), len(hits))
        return Number(
            name=f"{self.name}, {change}: {source} called {target}",
            value=found.percent,
            unit="%",
            low=found.low_percent,
            high=found.high_percent,
            n=found.n,
            n_of="pictures",
        )


def swaps(labels: Labels, before: Labels, after: Labels, classes: tuple[str, ...]) -> list[Swap]:
    """The pairs of classes that go over to each other, most certain first.

    labels: the classes (N,) of the pictures; before, after: what the net calls them as they are and changed.
    """
    pairs = [
        (max(_p_value(labels, before, after, a, b), _p_value(labels, before, after, b, a)), a, b)
        for a in range(len(classes))
        for b in range(a + 1, len(classes))
    ]
    table = shares(labels, after, len(classes))
    kept = []
    for rank, (p_value, a, b) in enumerate(sorted(pairs)):
        if p_value > LEVEL / (len(pairs) - rank):
            break
        if table[a].argmax() == b and table[b].argmax() == a:
            kept.append(Swap(first=classes[a], second=classes[b], p_value=p_value))
    return kept


def shares(labels: Labels, after: Labels, classes: int) -> npt.NDArray[np.float64]:
    """(K, K): of the pictures of class i, the share in percent that is called j."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, after), 1)
    table: npt.NDArray[np.float64] = 100 * counts / np.maximum(1, counts.sum(1, keepdims=True))
    return table


def _p_value(labels: Labels, before: Labels, after: Labels, source: int, target: int) -> float:
    """One-sided, of more pictures of `source` being called `target` after the change than before it."""
    was, now = (called[labels == source] == target for called in (before, after))
    gained, lost = int((now & ~was).sum()), int((was & ~now).sum())
    return stats.mcnemar_exact(gained, lost) / 2 if gained > lost else 1.0
