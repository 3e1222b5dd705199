"""Warnings about a data set of images that its owner should look at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import console
from edgecnn.data._near_copies import Looked
from edgecnn.data._pictures import Picture
from edgecnn.data._stored import Pixels, Stored
from edgecnn.onboard import picture_files

FEW = 5
"""A class is called small if it has less than 1 / FEW of the median class's images."""
DARK = 15
"""Largest value of an image that is called dark: what 12 bits reach in a file of 16, as 8 bits."""
DARK_SHARE = 0.1
"""Share of dark images that is worth a warning."""
DARK_SAMPLE = 500
"""Images that are sampled, evenly spaced, from a data set with more."""


def say(
    pictures: Sequence[Picture],
    labels: npt.NDArray[np.int64],
    contents: Sequence[str],
    classes: Sequence[str],
    looked: Looked | None,
) -> None:
    """Print remarks about all images of a data set together.

    Args:
        pictures: (N,).
        labels: (N,).
        contents: (N,) digests of the files.
        classes: the class names.
        looked: what the images look like, or None.
    """
    for remark in (_two_classes(pictures, labels, contents), _small(labels, classes)):
        if remark:
            console.warn(remark)
    if looked is not None and (size := _one_size(looked)):
        console.note(size)
    if looked is not None:
        for remark in (_one_colour(pictures, looked), _sizes(labels, looked)):
            if remark:
                console.warn(remark)


def say_dark(images: Pixels | Stored, kept: npt.NDArray[np.int64]) -> None:
    """Warn if many of the kept images are nearly black, as files are that do not use the full range of their format."""
    if not len(kept):
        return
    sample = kept[np.unique(np.linspace(0, len(kept) - 1, DARK_SAMPLE).astype(np.int64))]
    shown = np.asarray(images[sample])
    dark = shown.reshape(len(shown), -1).max(axis=1) <= DARK
    if dark.mean() > DARK_SHARE:
        console.warn(
            f"{dark.sum():,} of {len(shown):,} pictures hold no value above {DARK} of 255: if they are 12 bits in files"
            " of 16, or class numbers, scale them to the white of their files"
        )


def _one_size(looked: Looked) -> str | None:
    sizes = np.unique(looked.sizes[looked.sizes[:, 0] > 0], axis=0)
    if len(sizes) != 1:
        return None
    width, height = sizes[0].tolist()
    return f"all pictures that can be read are {width} x {height}"


def _two_classes(pictures: Sequence[Picture], labels: npt.NDArray[np.int64], contents: Sequence[str]) -> str | None:
    first: dict[str, int] = {}
    twice = [
        (first[content], index)
        for index, content in enumerate(contents)
        if content and labels[first.setdefault(content, index)] != labels[index]
    ]
    if not twice:
        return None
    a, b = twice[0]
    more = f", and {len(twice) - 1:,} more" if len(twice) > 1 else ""
    return f"one picture lies in two classes: {pictures[a]} and {pictures[b]}{more}; a net cannot learn both"


def small_classes(labels: npt.NDArray[np.int64], classes: Sequence[str]) -> npt.NDArray[np.intp]:
    """Return the classes with less than 1 / FEW of the median class's images."""
    counts = np.bincount(labels, minlength=len(classes))
    return np.flatnonzero(counts * FEW < np.median(counts))


def _small(labels: npt.NDArray[np.int64], classes: Sequence[str]) -> str | None:
    counts = np.bincount(labels, minlength=len(classes))
    median = float(np.median(counts))
    small = [f"{classes[label]} {counts[label]:,}" for label in small_classes(labels, classes).tolist()]
    if not small:
        return None
    return f"far fewer pictures than the other classes' {median:,.0f} (median): {', '.join(small)}"


def _one_colour(pictures: Sequence[Picture], looked: Looked) -> str | None:
    count = len(looked.one_colour)
    if not count:
        return None
    which = f"all {count:,}" if count == np.count_nonzero(looked.sizes[:, 0]) else f"{count:,} of {len(pictures):,}"
    return f"{which} pictures are of one colour all over, such as {pictures[looked.one_colour[0]]}"


def _sizes(labels: npt.NDArray[np.int64], looked: Looked) -> str | None:
    """Return a remark if every class has a size of its own, which a net may learn instead."""
    readable = looked.sizes[:, 0] > 0
    sizes = [np.unique(looked.sizes[readable & (labels == label)], axis=0) for label in np.unique(labels)]
    own = {tuple(size[0].tolist()) for size in sizes if len(size) == 1}
    if len(sizes) < 2 or len(own) < len(sizes):
        return None
    shown = ", ".join(f"{width} x {height}" for width, height in sorted(own)[:3])
    return f"the size of a picture tells its class, for each has its own ({shown} ...): what is learnt may be that"


def say_left_out(left_out: Mapping[str, int], place: Path) -> None:
    """Print what lies in a place and is not read, as a warning if it may have been meant to be; nothing if all is."""
    if left_out:
        say = console.warn if picture_files.is_loss(left_out) else console.note
        say(f"left out {picture_files.told(left_out)} in {place}")
