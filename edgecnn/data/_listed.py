"""The pictures of a data set of one's own as it names them, before any is read: their classes and their splits.

However they are kept, the classes are sorted by name, and the pictures stand split after split, class after class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.data._pictures import Picture
from edgecnn.errors import DataError
from edgecnn.records import labels as labels_of
from edgecnn.records.data_paths import ROLES, Role
from edgecnn.records.labels import composed

ORDER: tuple[Role, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Row:
    """One picture, as a list, an archive or a table names it."""

    picture: Picture
    name: str
    """Its path as it is named there, with / between its parts: pictures are sorted and grouped by it."""
    label: str
    """Its class."""
    role: Role | None
    """The split that it was put into; None if nothing says."""


@dataclass(frozen=True)
class Listed:
    """All pictures of a data set: each has a class and a split."""

    origin: str
    """Where they are, in messages: a path."""
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    names: tuple[str, ...]
    """(N,) what a `group` is searched for in."""
    labels: npt.NDArray[np.int64]
    """(N,) indices of `classes`."""
    roles: npt.NDArray[np.str_]
    """(N,) the split of each. Without any "test", that split is cut off from the others."""
    no_test: str = "there is no test split"
    """What a message says then."""


def in_order(rows: Iterable[Row], origin: str) -> Listed:
    """Return the pictures in order, once all that can be said before they are read is checked.

    Args:
        rows: The pictures.
        origin: Where they are.

    Raises:
        DataError: There are none, fewer than two classes or one without pictures in a split; only some have a split,
            or none is for training; or the name of a class has control characters.
    """
    rows = list(rows)
    if not rows:
        raise DataError(f"{origin} names no pictures.")
    classes = tuple(sorted({composed(row.label) for row in rows}))
    labels_of.require_plain(classes, origin)
    if len(classes) < 2:
        raise DataError(f"{origin} has one class only ({classes[0]!r}).", "a classifier needs at least two")
    roles = _roles(rows, origin)
    index_of = {name: index for index, name in enumerate(classes)}
    labels = np.array([index_of[composed(row.label)] for row in rows], dtype=np.int64)
    for role in ORDER:
        missing = sorted(set(range(len(classes))) - set(labels[roles == role].tolist()))
        if role in roles and missing:
            raise DataError(
                f"{origin} has no {role} pictures of {labels_of.listed([classes[label] for label in missing])}.",
                "each split needs pictures of every class",
            )
    parts = [(ORDER.index(role), label) for role, label in zip(roles.tolist(), labels.tolist(), strict=True)]
    order = sorted(range(len(rows)), key=lambda index: (*parts[index], rows[index].name.split("/")))
    return Listed(
        origin,
        classes,
        tuple(rows[index].picture for index in order),
        tuple(rows[index].name for index in order),
        labels[order],
        roles[order],
    )


def role_of(file: Path, place: Path) -> Role | None:
    """Return the split that a file of many pictures is for, by the words in its name and in those of its folders.

    Args:
        file: As in train-00000-of-00002.parquet, or test/0000.tar.
        place: The folder that was named, or the file itself; its own name does not count.

    Raises:
        DataError: It names two splits.
    """
    parts = file.relative_to(place).parts if file != place else (file.name,)
    words = (word for part in parts for word in re.split(r"[\W\d_]+", part.casefold()))
    named = {ROLES[word] for word in words if word in ROLES}
    if len(named) > 1:
        raise DataError(f"The name of {file} has the words of two splits: {', '.join(sorted(named))}.", "rename it")
    return next(iter(named), None)


def _roles(rows: Sequence[Row], origin: str) -> npt.NDArray[np.str_]:
    """Return the split of every picture, (N,): "train" for all if none is in one."""
    roles = [row.role for row in rows]
    named = [role for role in ORDER if role in roles]
    if not named:
        return np.full(len(rows), "train", dtype="U10")
    if None in roles:
        raise DataError(
            f"{origin} puts some pictures into a split ({', '.join(named)}) and {rows[roles.index(None)].picture} into"
            f" none, with {roles.count(None) - 1:,} more.",
            "put all of them into splits, or none",
        )
    if "train" not in named:
        raise DataError(f"{origin} has {' and '.join(named)} pictures, and none to train with.", "add some for train")
    return np.array(roles, dtype="U10")
