"""Pictures of anything, without classes: a folder beside a data set of one's own, to learn a teacher's answers on.

None of them is a picture that the data set validates or tests with, nor a near-copy of one: a net would know those
before it is asked.
"""

from __future__ import annotations

import functools
import inspect
from pathlib import Path

import numpy as np

from edgecnn import data
from edgecnn.common import console
from edgecnn.data import Split, Splits, _copies, _decoded, _near_copies, _remarks
from edgecnn.errors import DataError
from edgecnn.onboard import picture_files
from edgecnn.records import resizing
from edgecnn.records.recipe import DataPlan

NO_CLASS = -1


def load(plan: DataPlan, splits: Splits) -> Split:
    """Load the pictures below `plan.unlabelled`, in the size of a data set's own.

    Args:
        plan: of the data set.
        splits: of it, as they were loaded; they must be encoded pictures.

    Returns:
        uint8 (N, H, W, C), with the label NO_CLASS. What is left out is printed.

    Raises:
        DataError: there is no such folder, or it has no pictures that can be read and are not held out.
    """
    folder = Path(plan.unlabelled).expanduser()
    if any(part.contents is None or part.files is None for part in (splits.test, splits.validation)):
        raise DataError(
            f"[data]: unlabelled goes with pictures of one's own, and {plan.name} has none.", "leave unlabelled out"
        )
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder} of pictures without classes.", "[data] unlabelled names it")
    listing = picture_files.walk(folder)
    if not listing.pictures:
        raise picture_files.none_in(str(folder), listing)
    _remarks.say_left_out(listing.left_out, folder)
    contents = _decoded.digests(listing.pictures)
    channels, height, width = splits.train.input_shape
    how = inspect.signature(data.get(plan.name).load).parameters.get("resize")
    decoded = functools.partial(
        _decoded.images,
        listing.pictures,
        contents,
        skip_broken=True,
        resizing=resizing.parse(str(plan.options.get("resize", how.default if how else resizing.CROP))),
    )
    images, broken = decoded(shape=(height, width, channels))
    larger = None
    if splits.train.larger is not None:
        rows, columns = splits.train.larger.shape[1:3]
        larger, _ = decoded(shape=(rows, columns, channels))
    held_out = _held_out(listing.pictures, contents, plan, splits)
    readable = np.ones(len(contents), dtype=bool)
    readable[broken] = False
    for left_out, why in ((~readable, "cannot be read"), (held_out & readable, "are copies of pictures held out")):
        if left_out.any():
            first = listing.pictures[int(np.flatnonzero(left_out)[0])]
            console.note(f"left out {left_out.sum():,} of {len(contents):,} pictures that {why}, {first} first")
    kept = np.flatnonzero(readable & ~held_out)
    if not len(kept):
        raise DataError(f"{folder} holds no picture to learn from: all are left out.", "name a folder with others")
    labels = np.full(len(contents), NO_CLASS, dtype=np.int64)
    names = np.array([str(path) for path in listing.pictures], dtype=np.str_)
    whole = Split(images, labels, splits.train.classes, np.array(contents, dtype=np.str_), files=names, larger=larger)
    return whole.take(kept)


def _held_out(
    pictures: tuple[Path, ...], contents: list[str], plan: DataPlan, splits: Splits
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which pictures are copies or near-copies of some that the data set validates or tests with, (N,)."""
    asked = {
        str(file): content
        for part in (splits.validation, splits.test)
        for file, content in zip(part.files if part.files is not None else (), part.digests(), strict=True)
    }
    listed = data.listed(plan).pictures
    others = [(picture, asked[str(picture)]) for picture in listed if str(picture) in asked]
    both = [*pictures, *(picture for picture, _ in others)]
    digests = [*contents, *(content for _, content in others)]
    keys = _copies.keys([str(picture) for picture in both], digests, _near_copies.look(both, digests), "")
    mine, theirs = keys[: len(pictures)], keys[len(pictures) :]
    result: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.isin(mine, theirs)
    return result
