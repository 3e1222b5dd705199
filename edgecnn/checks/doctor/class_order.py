"""Finds the order of a model's classes from its answers, and names it if it is a usual mistake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.common import stats

FEWEST_A_CLASS = 4
"""The fewest images per class from which an order is told."""
SEED = 0
"""Seed of the split into halves."""
ALPHA = 0.001
"""Significance level for another order than the stated one."""

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order of the classes other than the stated one."""

    place: tuple[int, ...]
    """The class that each output stands for: output i is class place[i]."""
    words: str
    evidence: str


def find(called: Sequence[Classes], truth: Classes, names: Sequence[str]) -> Order | None:
    """Find another order of the classes that explains the answers better than the stated one.

    An order is chosen on half of the images and judged on the other half, so that it cannot fit by chance. It is taken
    if it is better than the stated one under any hypothesis (exact McNemar, p < ALPHA).

    Args:
        called: The answered classes (N,) under each hypothesis of what is fed.
        truth: The true classes (N,).
        names: Names of the classes in the stated order.

    Returns:
        The order; None if the stated one is as good, or there are too few images.
    """
    count = len(names)
    if len(truth) < FEWEST_A_CLASS * count:
        return None
    chooses = np.random.default_rng(SEED).permutation(len(truth)) % 2 == 0
    places = [_place(classes[chooses], truth[chooses], count) for classes in called]
    moved = [place[classes[~chooses]] == truth[~chooses] for classes, place in zip(called, places, strict=True)]
    stated = max((classes[~chooses] == truth[~chooses] for classes in called), key=np.sum)
    best = max(range(len(moved)), key=lambda i: int(moved[i].sum()))
    gained, lost = int((moved[best] & ~stated).sum()), int((~moved[best] & stated).sum())
    if gained <= lost or stats.mcnemar_exact(gained, lost) >= ALPHA:
        return None
    place = _place(called[best], truth, count)
    if (place == np.arange(count)).all():
        return None
    with_order = stats.wilson(int(moved[best].sum()), len(moved[best]))
    without = stats.wilson(int(stated.sum()), len(stated))
    evidence = f"on the half that did not choose it {with_order} instead of {without}, n {with_order.n}"
    return Order(place=tuple(place.tolist()), words=_words(place, names), evidence=evidence)


def _place(called: Classes, truth: Classes, count: int) -> Classes:
    """Match each output with a class, the most frequent pairs of output and true class first."""
    meets = np.zeros((count, count), np.int64)
    inside = (called < count) & (truth >= 0)
    np.add.at(meets, (called[inside], truth[inside]), 1)
    place = np.full(count, -1)
    taken: set[int] = set()
    for flat in np.argsort(-meets, axis=None, kind="stable"):
        output, label = divmod(int(flat), count)
        if meets[output, label] == 0:
            break
        if place[output] < 0 and label not in taken:
            place[output] = label
            taken.add(label)
    for output in map(int, np.flatnonzero(place < 0)):  # an output never answered stays where it is, if that is free
        if output not in taken:
            place[output] = output
            taken.add(output)
    free = iter(label for label in range(count) if label not in taken)
    for output in map(int, np.flatnonzero(place < 0)):
        place[output] = next(free)
    return place


def _words(place: Classes, names: Sequence[str]) -> str:
    count = len(names)
    here = np.arange(count)
    known = {
        "sorted by name": np.argsort(np.array(names), kind="stable"),
        "sorted by name as text where numbers were meant": np.argsort(np.array([str(i) for i in range(count)])),
        "one place on, as if class 0 were the background": (here - 1) % count,
        "one place back": (here + 1) % count,
        "reversed": here[::-1],
    }
    moved = np.flatnonzero(place != here)
    for words, usual in known.items():
        # Classes that were never answered have no known place, so a usual order may differ there.
        if not (usual == here).all() and (usual[moved] == place[moved]).mean() > 0.8 and len(moved) > 1:
            return f"the classes are {words}"
    pairs = [f"output {i} is {names[place[i]]!r}, not {names[i]!r}" for i in moved[:3]]
    rest = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
    return f"the classes stand in another order: {', '.join(pairs)}{rest}"
