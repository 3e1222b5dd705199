"""Split listed pictures of one's own into training and test, the same way however they are stored."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import console
from edgecnn.data import Split, _copies, _decoded, _left_out, _near_copies, _remarks
from edgecnn.data._cut import Texts, by_key, stratified
from edgecnn.data._listed import Listed
from edgecnn.errors import PlanError
from edgecnn.records import resizing

MOST_LARGER = 2.0


def load(
    list_pictures: Callable[[Path], Listed],
    path: str,
    *,
    size: int | list[int],
    width: int,
    resize: str,
    larger: float,
    channels: int,
    test: float,
    seed: int,
    skip_broken: bool,
    skip_leaks: bool,
    group: str,
    near_copies: bool,
    leave_out: str,
    split: str = "content",
) -> tuple[Split, Split]:
    """Load pictures, which are decoded once and then read from a cache.

    Args:
        list_pictures: Lists the pictures at a path.
        path: Where they are.
        size: Height that pictures are resized to, or height and width.
        width: Width that pictures are resized to; 0 for square ones, or that of `size`.
        resize: How (`records.resizing`).
        larger: How much larger the training images are that random parts are taken from (`Split.larger`).
        channels: 1 or 3.
        test: Share of every class that becomes the test split, if there is none.
        seed: Seed of that split.
        skip_broken: Leave out pictures that cannot be read.
        skip_leaks: Leave out pictures to train and to validate with that are test pictures too.
        group: A regular expression whose matches in the names tell which pictures stay together, or "".
        near_copies: Keep near-copies in the same split.
        leave_out: A list of pictures that are left out, or "".
        split: "content", or "drawn" as before pictures were split by content.

    Returns:
        The training and the test split, uint8 (N, H, W, channels).

    Raises:
        PlanError: An option is out of range.
        DataError: The pictures cannot be listed, one is in the test split and in another, or one cannot be read.
    """
    _check_options(path, larger, channels, test, split)
    height, width = resizing.sides(size, width)
    resized = resizing.parse(resize)
    place = Path(path).expanduser()
    own = _left_out.without_left_out(list_pictures(place), place, leave_out)
    pictures, labels, roles = own.pictures, own.labels, own.roles.copy()
    contents = _decoded.digests(pictures)
    if not skip_leaks:
        _copies.refuse_leak(pictures, contents, roles)
    leaked = np.flatnonzero(_copies.leaked(contents, roles))
    roles[leaked] = "left out"
    decoded = functools.partial(_decoded.images, pictures, contents, skip_broken=skip_broken, resizing=resized)
    images, broken = decoded(shape=(height, width, channels))
    sides = math.ceil(larger * height), math.ceil(larger * width)
    for_parts = decoded(shape=(*sides, channels))[0] if larger > 1 else None
    looked = _near_copies.look(pictures, contents) if near_copies and split == "content" else None
    keys = _copies.keys(own.names, contents, looked, group) if split == "content" else None
    kept = np.ones(len(pictures), dtype=bool)
    kept[broken] = False
    if broken:
        console.warn(
            f"left out {len(broken):,} of {len(pictures):,} pictures that cannot be read, {pictures[broken[0]]} first"
        )
    if len(leaked):
        kept[leaked], first = False, pictures[leaked[0]]
        console.warn(f"left out {len(leaked):,} pictures that are in the test split as well, {first} first")
    _remarks.say(pictures, labels, contents, own.classes, looked)
    _remarks.say_dark(images, np.flatnonzero(kept))
    if keys is not None:
        _copies.say(keys, contents, labels, own.classes, bool(group))
        _copies.say_parted(pictures, keys, roles)
    held_out = roles == "validation" if "validation" in roles[kept] else None
    if "test" not in own.roles:
        roles[_to_test(labels, roles, contents, keys, test, seed)] = "test"
        console.note(f"{own.no_test}: {100 * test:g} % of the pictures of {own.origin} are cut off to test with")
    files = np.array([str(picture) for picture in pictures], dtype=np.str_)
    whole = Split(images, labels, own.classes, np.array(contents, dtype=np.str_), keys, held_out, files)
    test_split = whole.take(np.flatnonzero(kept & (roles == "test")))
    return dataclasses.replace(whole, larger=for_parts).take(np.flatnonzero(kept & (roles != "test"))), test_split


def _check_options(path: str, larger: float, channels: int, test: float, split: str) -> None:
    if not path:
        raise PlanError("[data] lacks the key 'path'.", "name the place of your pictures: --data path/to/pictures")
    if channels not in (1, 3):
        raise PlanError(f"[data]: channels = {channels} is of no picture.", "1 for grey, 3 for colour")
    if not 1 <= larger <= MOST_LARGER:
        raise PlanError(f"[data]: larger = {larger} should lie between 1 and {MOST_LARGER:g}.")
    if not 0 < test < 1:
        raise PlanError(f"[data]: test = {test} should lie between 0 and 1.")
    if split not in ("content", "drawn"):
        raise PlanError(f"[data]: split = {split!r} is unknown.", 'split = "content"')


def _to_test(
    labels: npt.NDArray[np.int64],
    roles: npt.NDArray[np.str_],
    contents: list[str],
    keys: Texts | None,
    share: float,
    seed: int,
) -> npt.NDArray[np.bool_]:
    """Choose the test images: none that are in validation/ or belong to one that is.

    Args:
        labels: (N,).
        roles: (N,) the split whose folder each image is in.
        contents: (N,) digests of the files.
        keys: (N,) what decides, or None for a draw.
        share: of each class.
        seed: of the split.

    Returns:
        (N,) whether each image is for testing.
    """
    in_test = np.zeros(len(labels), dtype=bool)
    if keys is None:
        free = np.flatnonzero(roles != "validation")
        in_test[free] = _drawn(labels[free], [contents[index] for index in free], share, seed)
        return in_test
    validation = np.unique(keys[roles == "validation"])
    free = np.flatnonzero(~np.isin(keys, validation))
    least = 1 if len(validation) else 2  # to train and to validate with
    in_test[free] = by_key(labels[free], keys[free], share, f"test {seed}", least)
    return in_test


def _drawn(labels: npt.NDArray[np.int64], contents: list[str], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Draw the test images, (N,) bool; an image goes where the first of its copies goes."""
    _, first, copy_of = np.unique(np.array(contents, dtype="S64"), return_index=True, return_inverse=True)
    original = first[copy_of]  # (N,)
    originals = np.unique(original)
    in_test = np.zeros(len(labels), dtype=bool)
    in_test[originals] = stratified(labels[originals], share, seed)
    return in_test[original]
