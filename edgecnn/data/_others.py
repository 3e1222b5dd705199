"""Pictures of anything else, added to a data set as one more class: "none of these".

A net that has seen what it will not be asked about puts it into that class (outlier exposure: Hendrycks, Mazeika and
Dietterich, 2019, arXiv:1812.04606); who answers with the net says "unknown" then.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from edgecnn.data import _remarks
from edgecnn.data._listed import Listed
from edgecnn.errors import DataError
from edgecnn.onboard import picture_files
from edgecnn.records.labels import NONE_OF_THESE


def added(own: Listed, folder: str) -> Listed:
    """Return the pictures with those below a folder as the last class; all as they are if the folder is "".

    The others are for training, and split from it like the rest: where the data set has a test split of its own, it
    has none of them, so its accuracy stays that of the classes.

    Raises:
        DataError: The folder holds no pictures, or the class is there already.
    """
    if not folder:
        return own
    place = Path(folder).expanduser()
    if NONE_OF_THESE in own.classes:
        raise DataError(f"{own.origin} has a class {NONE_OF_THESE!r} already.", "leave out data.others")
    if not place.is_dir():
        raise DataError(f"There is no folder {place} of other pictures.", "data.others names one of anything else")
    listing = picture_files.walk(place)
    if not listing.pictures:
        raise picture_files.none_in(f"The folder {place} of other pictures", listing)
    _remarks.say_left_out(listing.left_out, place)
    count = len(listing.pictures)
    return dataclasses.replace(
        own,
        classes=(*own.classes, NONE_OF_THESE),
        pictures=(*own.pictures, *listing.pictures),
        names=(*own.names, *(path.relative_to(place).as_posix() for path in listing.pictures)),
        labels=np.concatenate([own.labels, np.full(count, len(own.classes), dtype=np.int64)]),
        roles=np.concatenate([own.roles, np.full(count, "train", dtype=own.roles.dtype)]),
    )
