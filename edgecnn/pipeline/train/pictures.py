"""The pictures of a training beside its splits: those without classes, and all of them as a teacher sees them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgecnn import data
from edgecnn.common import console
from edgecnn.data import Images, Split, Splits
from edgecnn.errors import RunError
from edgecnn.records.recipe import DataPlan
from edgecnn.records.run import Run

OF_SIZE = ("size", "width", "resize", "channels")
"""Options of a data set that say how a picture becomes an image."""
FOR_PARTS = "larger"
"""The option for images that random parts are taken from, of which a teacher sees none."""


@dataclasses.dataclass(frozen=True)
class Pictures:
    """The pictures that a training learns from."""

    plan: DataPlan
    splits: Splits
    unlabelled: Split | None
    """Only a teacher's logits are learnt from these."""

    @property
    def all(self) -> Split:
        """Training images with labels and, behind them, those without."""
        return joined(self.splits.train, self.unlabelled) if self.unlabelled else self.splits.train

    def as_seen_by(self, run: Run) -> Images:
        """Return the images of `all` in the size and by the rule that another run's net was trained with.

        Raises:
            RunError: that net takes images that these pictures cannot become.
        """
        own: Mapping[str, Any] = {k: v for k, v in self.plan.options.items() if k not in (*OF_SIZE, FOR_PARTS)}
        theirs = {k: v for k, v in run.recipe.data.options.items() if k in OF_SIZE}
        plan = dataclasses.replace(self.plan, options={**own, **theirs})
        with console.held_back():  # all of it was said of the student's own
            splits = data.load(plan)
            further = data.load_unlabelled(plan, splits) if self.unlabelled else None
        is_same = splits.train.contents is not None and splits.train.digests() == self.splits.train.digests()
        if not is_same or splits.train.input_shape != tuple(run.input_shape):
            raise other_pictures(str(run.folder))
        return splits.train.images if further is None else joined(splits.train, further).images


def load(plan: DataPlan, splits: Splits) -> Pictures:
    """Return the pictures of a training. Raises DataError if those without classes cannot be read."""
    return Pictures(plan, splits, data.load_unlabelled(plan, splits) if plan.unlabelled else None)


def joined(first: Split, second: Split) -> Split:
    """Return two splits of the same classes as one, in memory."""
    larger = None if first.larger is None or second.larger is None else (first.larger[:], second.larger[:])
    return Split(
        np.concatenate([first.load_all(), second.load_all()]),
        np.concatenate([first.labels, second.labels]),
        first.classes,
        larger=None if larger is None else np.concatenate(larger),
    )


def other_pictures(folder: str) -> RunError:
    """Return the error for a teacher of other pictures or classes than its student's."""
    return RunError(
        f"The teacher {folder} was trained on other pictures or classes than its student's.",
        "train it on the same data set",
    )
