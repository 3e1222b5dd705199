"""Looks at pictures of one's own and says in numbers what they are, before anything is decided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn import data
from edgecnn.common import escapes
from edgecnn.data import Overview
from edgecnn.errors import DataError, UsageError
from edgecnn.pipeline.init import groups, mirrors
from edgecnn.pipeline.init.groups import Grouping
from edgecnn.records import data_paths, labels, plans
from edgecnn.records.recipe import DataPlan, Recipe

LEAST_OF_CLASS = 3
"""The least pictures of a class if no split is held out: one each to train, to validate and to test with."""
MOST_BROKEN = 0.25
"""The largest share of pictures that are left out because they cannot be read; of more, none is left out unasked."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A survey of pictures of one's own, in numbers."""

    data: str
    """The data set that reads them."""
    path: str
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    """The pictures of each class that can be read, in all splits."""
    splits: dict[str, int]
    """The pictures in each split that is held out already, by "train", "validation" and "test"; all in "train" if none
    is."""
    median_width: int
    median_height: int
    """In pixels, of the upright pictures."""
    alike: float
    """The share of pictures that lie as the median does: wide, high, or neither."""
    coloured: int
    """The pictures that are not grey."""
    copies: int
    """The pictures that are copies or near-copies of others."""
    broken: int
    first_broken: str | None
    leaked: int
    """The pictures to train or to validate with that are, byte for byte, test pictures too."""
    grouping: Grouping | None
    """Which pictures belong together by their names."""
    mirror: str | None
    """Why the classes forbid to mirror pictures; None if nothing speaks against it."""

    @property
    def pictures(self) -> int:
        """The pictures that can be read."""
        return sum(self.counts)


def survey(plan: DataPlan) -> Survey:
    """Look at all pictures of a plan.

    Args:
        plan: Its options may say how pictures are listed, such as the column of the classes.

    Raises:
        DataError: They cannot be listed, most cannot be read, or a class has too few.
        UsageError: The plan names a data set that is not one's own pictures.
    """
    if "path" not in plan.options:
        raise _no_place(plan.name)
    _require_text(str(plan.options["path"]))
    own = data.listed(plan)
    seen = data.overview(own)
    _refuse_broken(seen, bool(plan.options.get("skip_broken")))
    _refuse_few(seen)
    readable = seen.readable
    sizes = seen.looked.sizes[readable]
    width, height = (int(side) for side in np.median(sizes, axis=0))
    broken = np.flatnonzero(~readable)
    counts = np.bincount(own.labels[readable], minlength=len(own.classes))
    roles, role_counts = np.unique(own.roles[readable], return_counts=True)
    forbidden = data.get(plan.name).FORBIDDEN_AUGMENTATIONS.get("flip")
    return Survey(
        data=plan.name,
        path=str(plan.options["path"]),
        classes=own.classes,
        counts=tuple(counts.tolist()),
        splits=dict(zip(roles.tolist(), role_counts.tolist(), strict=True)),
        median_width=width,
        median_height=height,
        alike=float(np.mean(_lie(sizes[:, 0], sizes[:, 1]) == _lie(np.array(width), np.array(height)))),
        coloured=len(seen.looked.coloured),
        copies=len(own.pictures) - len(np.unique(seen.keys())),
        broken=len(broken),
        first_broken=str(own.pictures[broken[0]]) if len(broken) else None,
        leaked=int(seen.leaked.sum()),
        grouping=_grouping(seen),
        mirror=forbidden or mirrors.forbidding(own.classes),
    )


def _lie(width: npt.NDArray[np.int64], height: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return 1 for pictures that are at least twice as wide as high, -1 for the other way round, 0 for all others."""
    return (width >= 2 * height).astype(np.int64) - (height >= 2 * width).astype(np.int64)


def _grouping(seen: Overview) -> Grouping | None:
    """Return what names say, unless the cut would then lack a class, or all splits are there."""
    own = seen.listed
    if {"validation", "test"} <= set(own.roles.tolist()):
        return None
    grouping = groups.find(own.names, own.labels)
    if grouping is None or _least_keys(seen, grouping.pattern)[1] < groups.LEAST_GROUPS:
        return None
    return grouping


def _least_keys(seen: Overview, group: str = "") -> tuple[int, int]:
    """Return the class that has the fewest readable pictures which a split may part, and how many those are."""
    keys, own = seen.keys(group), seen.listed
    counts = [
        len(np.unique(keys[seen.readable & (own.roles != "test") & (own.labels == label)]))
        for label in range(len(own.classes))
    ]
    return int(np.argmin(counts)), min(counts)


def _refuse_few(seen: Overview) -> None:
    """Raise DataError if a class has too few pictures to be cut into splits."""
    own = seen.listed
    needed = LEAST_OF_CLASS - ("test" in own.roles)
    label, count = _least_keys(seen)
    if count < needed:
        have = int((seen.readable & (own.roles != "test") & (own.labels == label)).sum())
        same = f", {have - count} of them copies" if have > count else ""
        splits = "to train and to validate" if needed < LEAST_OF_CLASS else "to train, to validate and to test"
        raise DataError(
            f"Class {own.classes[label]!r} has {have} picture{'s' * (have != 1)}{same}; {splits} with it takes"
            f" {needed}.",
            "add pictures of it, or take it away",
        )


def _refuse_broken(seen: Overview, skips: bool) -> None:
    """Raise DataError if so many pictures cannot be read that leaving them out would be a loss."""
    own, broken = seen.listed, np.flatnonzero(~seen.readable)
    if (skips and len(broken) < len(own.pictures)) or len(broken) <= MOST_BROKEN * len(own.pictures):
        return
    try:
        data.decode(own.pictures[broken[0]], height=1, width=1, channels=3)
    except DataError as error:
        raise DataError(
            f"{len(broken):,} of {len(own.pictures):,} pictures cannot be read. The first: {error.sentence}",
            f"{error.hint}, or leave them out: -s data.skip_broken=true",
        ) from error


def _require_text(path: str) -> None:
    """Raise DataError for a path that no recipe can hold."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"The path {escapes.line(path)} is no UTF-8, so no recipe can name it.", "rename it") from error


def _no_place(name: str) -> UsageError:
    """Return the error for what is no path: the name of a data set, which has recipes of its own, or nothing at all."""
    if name not in data.KIND.names():
        return DataError(f"{name} does not exist.", "name a folder with one folder of pictures per class")
    recipes = [recipe for recipe in plans.names(Recipe) if plans.load_recipe(recipe).data.name == name]
    return UsageError(
        f"A recipe is chosen for pictures of your own; {name} is a data set with a name.",
        f"name a recipe for it: {labels.listed(recipes)}" if recipes else f"one of {', '.join(data_paths.NAMES)}:PATH",
    )
