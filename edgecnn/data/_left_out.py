"""Pictures that a list of `edgecnn data check --fix` leaves out, before any is read."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from edgecnn.common import console
from edgecnn.data._listed import Listed
from edgecnn.errors import DataError
from edgecnn.records import leave_out


def without_left_out(own: Listed, place: Path, path: str) -> Listed:
    """Return the pictures without those that a list leaves out, and say how many these are.

    Args:
        own: All pictures.
        place: Where they are.
        path: The list, or "" for none.

    Raises:
        DataError: There is no such list, it names none of the pictures, or it leaves none of a class.
    """
    if not path:
        return own
    unwanted = leave_out.read(Path(path).expanduser())
    names = [leave_out.name(picture, place) for picture in own.pictures]
    kept = np.array([name not in unwanted for name in names], dtype=bool)
    if unwanted and kept.all():
        raise DataError(
            f"None of the {len(unwanted):,} pictures that {path} leaves out is in {place}, such as {min(unwanted)}.",
            "is it the list of another folder?",
        )
    console.note(f"left out {np.count_nonzero(~kept):,} of {len(names):,} pictures, as {path} says")
    if missing := len(unwanted - set(names)):
        console.warn(
            f"{missing:,} pictures that {path} leaves out are not in {place}, such as {min(unwanted - set(names))}"
        )
    for label, name in enumerate(own.classes):
        if not kept[own.labels == label].any():
            raise DataError(f"{path} leaves out all pictures of class {name!r}.", "keep some, or take the class away")
    return dataclasses.replace(
        own,
        pictures=tuple(picture for picture, stays in zip(own.pictures, kept, strict=True) if stays),
        names=tuple(name for name, stays in zip(own.names, kept, strict=True) if stays),
        labels=own.labels[kept],
        roles=own.roles[kept],
    )
