"""Images that must stay in the same split: copies, near-copies, and images of the same group."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgecnn.common import console
from edgecnn.data._cut import Texts, joined
from edgecnn.data._near_copies import Looked
from edgecnn.data._pictures import Picture
from edgecnn.errors import DataError, PlanError

LARGE_SHARE = 0.5
"""A warning is printed if more than this share of a class are near-copies of each other."""


def keys(names: Sequence[str], contents: Sequence[str], looked: Looked | None, group: str) -> Texts:
    """Return a key for every image, the same for images that must stay together.

    The key is the smallest digest of the images that stay together, or, if some of them have a named group, the
    smallest of these names.

    Args:
        names: (N,) path of each image as its data set names it, such as the one below its class folder.
        contents: (N,) digest of each image's file.
        looked: the near-copies, or None to keep only exact copies together.
        group: a regular expression, or "".

    Returns:
        (N,) texts.

    Raises:
        PlanError: the pattern is no regular expression.
        DataError: no name matches the pattern.
    """
    groups = _groups(names, group) if group else [None] * len(names)
    first: dict[str, int] = {}
    same = [(first.setdefault(content, index), index) for index, content in enumerate(contents)]
    same += [(first.setdefault(f"group {name}", index), index) for index, name in enumerate(groups) if name]
    near = looked.pairs if looked is not None else np.empty((0, 2), dtype=np.int64)
    members = joined(len(names), np.array(same, dtype=np.int64), near).tolist()
    least: dict[int, str] = {}
    for index, member in enumerate(members):
        key = f"group {groups[index]}" if groups[index] else contents[index]
        least[member] = min(least.get(member, key), key, key=lambda text: (not text.startswith("group "), text))
    return np.array([least[member] for member in members], dtype=np.str_)


def _groups(names: Sequence[str], group: str) -> list[str | None]:
    """Return the group of every image, which its name's match of the pattern tells, or None without a match."""
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise PlanError(f"[data]: group = {group!r} is no pattern: {error}.", r'group = "^(\w+)_"') from error
    matches = [pattern.search(name) for name in names]
    if not any(matches):
        raise DataError(
            f"[data]: group = {group!r} matches no picture's name, such as {names[0]}.",
            "it is searched for in the path below the class folder, or in the one that a list or an archive has",
        )
    unmatched = [name for name, match in zip(names, matches, strict=True) if not match]
    if unmatched:
        console.warn(f"{len(unmatched):,} of {len(names):,} pictures are in no group, such as {unmatched[0]}")
    return ["|".join(part or "" for part in match.groups() or (match[0],)) if match else None for match in matches]


def say(
    keys: Texts, contents: Sequence[str], labels: npt.NDArray[np.int64], classes: Sequence[str], grouped: bool
) -> None:
    """Print how many images have a copy or near-copy, and warn of classes that consist mostly of them."""
    together = len(keys) - len(np.unique(keys))
    exact = len(contents) - len(set(contents))
    if together:
        what = "are of the same group or copies of another" if grouped else "are copies or near-copies of another"
        console.note(
            f"{together:,} of {len(keys):,} pictures {what} ({exact:,} to the byte): "
            "those that belong together stay on one side"
        )
    for label, name in enumerate(classes):
        _, sizes = np.unique(keys[labels == label], return_counts=True)
        if len(labels[labels == label]) > 1 and sizes.max() > LARGE_SHARE * sizes.sum():
            console.warn(
                f"{sizes.max():,} of the {sizes.sum():,} pictures of {name} belong together and lie on one side: "
                "the class has few others to learn or to test with"
            )


def refuse_leak(pictures: Sequence[Picture], contents: Sequence[str], roles: npt.NDArray[np.str_]) -> None:
    """Raise DataError if a test image is also, byte for byte, in another split."""
    in_test = roles == "test"
    leaks = [pair for content, *pair in _pairs_across(contents, pictures, ~in_test, in_test) if content]
    if leaks:
        raise DataError(
            f"{leaks[0][0]} and {leaks[0][1]} are the same picture"
            + (f", and so are {len(leaks) - 1:,} more in the test split and beside it." if len(leaks) > 1 else "."),
            "a test picture must not be learnt from: remove it from one of them, or set skip_leaks = true",
        )


def leaked(contents: Sequence[str], roles: npt.NDArray[np.str_]) -> npt.NDArray[np.bool_]:
    """Return which images to train or to validate with are also, byte for byte, in the test split, (N,)."""
    digests, in_test = np.array(contents, dtype=np.str_), roles == "test"
    result: npt.NDArray[np.bool_] = ~in_test & (digests != "") & np.isin(digests, digests[in_test])
    return result


def say_parted(pictures: Sequence[Picture], keys: Texts, roles: npt.NDArray[np.str_]) -> None:
    """Warn of images that belong together although they were put into different splits."""
    for earlier, later in (("train", "test"), ("validation", "test"), ("train", "validation")):
        parted = _pairs_across(keys.tolist(), pictures, roles == earlier, roles == later)
        if parted:
            console.warn(
                f"{len(parted):,} of the {np.count_nonzero(roles == later):,} {later} pictures are near-copies of "
                f"{earlier} pictures, such as {parted[0][2]} of {parted[0][1]}: they are known before they are asked"
            )


def _pairs_across(
    keys: Sequence[str], pictures: Sequence[Picture], first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]
) -> list[tuple[str, Picture, Picture]]:
    """Find images of the second set with the key of one of the first set.

    Args:
        keys: (N,).
        pictures: (N,).
        first: (N,) which images are in the first set.
        second: (N,) which images are in the second set.

    Returns:
        For each such image the key, the one in the first set, and itself.
    """
    in_first = {keys[index]: pictures[index] for index in np.flatnonzero(first).tolist()}
    return [
        (keys[index], in_first[keys[index]], pictures[index])
        for index in np.flatnonzero(second).tolist()
        if keys[index] in in_first
    ]
