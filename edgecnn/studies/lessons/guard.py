"""A guard against harmful augmentations: it measures which pairs of classes a change of pictures swaps.

A net that was trained without the change classifies the same pictures before and after it. Among the pictures of a
class a, those predicted as b only after the change are compared with those predicted as b only before it (exact McNemar
test, 1947, Psychometrika 12:153). A change that makes pictures merely unfamiliar moves them in one direction, into
whatever class the net falls back on; one that turns a into b and b into a shows in both directions. So a pair is
reported if both directions are significant, with Holm's step-down (1979, Scandinavian Journal of Statistics 6:65)
keeping the error of all pairs together below 5 %, and if each class is the most frequent prediction for the other.
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
"""Probability that any pair is reported for a change that swaps none."""

CHANGES: Mapping[str, Callable[[Images], Images]] = {
    "mirror": lambda images: images[:, :, ::-1],
    "upside down": lambda images: images[:, ::-1],
    "half turn": lambda images: images[:, ::-1, ::-1],
    "shift by 1": lambda images: predictions.shifted(images, 1),
    "a tenth brighter": lambda images: np.minimum(images.astype(np.int64) + 26, 255).astype(np.uint8),
}
"""Name -> change of uint8 pictures (N, H, W, C) to pictures of the same shape."""


@dataclass(frozen=True, kw_only=True)
class Swap:
    """Two classes that a change turns into each other."""

    first: str
    second: str
    p_value: float
    """The larger p-value of the two directions, before Holm's correction."""


class ShownSwap:
    """Predictions of a net, trained without any change, on its validation pictures before and after each change."""

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
        """Compute the percentage of changed pictures of class `source` that are predicted as `target`."""
        of_class = self.split.labels == self.split.classes.index(source)
        hits = self.after[change][of_class] == self.split.classes.index(target)
        proportion = stats.wilson(int(hits.sum()), len(hits))
        return Number(
            name=f"{self.name}, {change}: {source} called {target}",
            value=proportion.percent,
            unit="%",
            low=proportion.low_percent,
            high=proportion.high_percent,
            n=proportion.n,
            n_of="pictures",
        )


def swaps(labels: Labels, before: Labels, after: Labels, classes: tuple[str, ...]) -> list[Swap]:
    """Find the pairs of classes that a change turns into each other, the most certain first.

    Args:
        labels: true classes of the pictures, (N,).
        before: predictions on the unchanged pictures, (N,).
        after: predictions on the changed pictures, (N,).
        classes: names of the classes.
    """
    pairs = [
        (max(_p_value(labels, before, after, a, b), _p_value(labels, before, after, b, a)), a, b)
        for a in range(len(classes))
        for b in range(a + 1, len(classes))
    ]
    table = shares(labels, after, len(classes))
    reported = []
    for rank, (p_value, a, b) in enumerate(sorted(pairs)):
        if p_value > LEVEL / (len(pairs) - rank):
            break
        if table[a].argmax() == b and table[b].argmax() == a:
            reported.append(Swap(first=classes[a], second=classes[b], p_value=p_value))
    return reported


def shares(labels: Labels, after: Labels, classes: int) -> npt.NDArray[np.float64]:
    """Compute the table (K, K) of the percentage of pictures of class i that is predicted as class j."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, after), 1)
    table: npt.NDArray[np.float64] = 100 * counts / np.maximum(1, counts.sum(1, keepdims=True))
    return table


def _p_value(labels: Labels, before: Labels, after: Labels, source: int, target: int) -> float:
    """Test, one-sided, whether more pictures of `source` are predicted as `target` after the change than before."""
    was, now = (called[labels == source] == target for called in (before, after))
    gained, lost = int((now & ~was).sum()), int((was & ~now).sum())
    return stats.mcnemar_exact(gained, lost) / 2 if gained > lost else 1.0
