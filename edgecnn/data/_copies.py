"""Pictures that must not be parted: copies, near-copies, and those of one group."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import console
from edgecnn.data._cut import Texts, joined
from edgecnn.data._near_copies import Looked
from edgecnn.errors import DataError, PlanError

LARGE_SHARE = 0.5
"""Of a class: more pictures than this, all near-copies of each other, are said."""


def keys(names: Sequence[str], contents: Sequence[str], looked: Looked | None, group: str) -> Texts:
    """(N,) what decides a picture's side: the least digest of all that stay with it, or the least name of their groups.

    names: of each picture, below its class folder; contents: its digest; group: a pattern, or nothing.
    Raises PlanError for a broken pattern, DataError for one that no name matches.
    """
    ids = _groups(names, group) if group else [None] * len(names)
    first: dict[str, int] = {}
    together = [(first.setdefault(content, number), number) for number, content in enumerate(contents)]
    together += [(first.setdefault(f"group {name}", number), number) for number, name in enumerate(ids) if name]
    near = looked.pairs if looked is not None else np.empty((0, 2), dtype=np.int64)
    members = joined(len(names), np.array(together, dtype=np.int64), near)
    least: dict[int, str] = {}
    for number, member in enumerate(members.tolist()):
        # "group" comes after every digest, so a named group is looked for first.
        key = f"group {ids[number]}" if ids[number] else contents[number]
        held = least.get(member, key)
        least[member] = min(held, key, key=lambda text: (not text.startswith("group "), text))
    return np.array([least[member] for member in members.tolist()], dtype=np.str_)


def _groups(names: Sequence[str], group: str) -> list[str | None]:
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise PlanError(f"[data]: group = {group!r} is no pattern: {error}.", r'group = "^(\w+)_"') from error
    matches = [pattern.search(name) for name in names]
    if not any(matches):
        raise DataError(
            f"[data]: group = {group!r} matches no picture's name, such as {names[0]}.",
            "it is searched for in the path below the class folder",
        )
    unmatched = [name for name, match in zip(names, matches, strict=True) if not match]
    if unmatched:
        console.warn(f"{len(unmatched):,} of {len(names):,} pictures are in no group, such as {unmatched[0]}")
    return ["|".join(part or "" for part in match.groups() or (match[0],)) if match else None for match in matches]


def say(
    keys: Texts, contents: Sequence[str], labels: npt.NDArray[np.int64], classes: Sequence[str], grouped: bool
) -> None:
    """Say how many pictures have a copy or a near-copy, and which class is little else."""
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


def refuse_leak(paths: Sequence[Path], contents: Sequence[str], roles: npt.NDArray[np.str_]) -> None:
    """DataError if one of the test pictures is, byte for byte, in another split."""
    in_test = roles == "test"
    leaks = [pair for content, *pair in _across(contents, paths, ~in_test, in_test) if content]
    if leaks:
        raise DataError(
            f"{leaks[0][0]} and {leaks[0][1]} are the same picture"
            + (f", and so are {len(leaks) - 1:,} more in test/ and beside it." if len(leaks) > 1 else "."),
            "remove it from one of them: a test picture must not be learnt from",
        )


def say_parted(paths: Sequence[Path], keys: Texts, roles: npt.NDArray[np.str_]) -> None:
    """Warn of pictures that belong together and lie in different splits, where their folders say so."""
    for seen, asked in (("train", "test"), ("validation", "test"), ("train", "validation")):
        parted = _across(keys.tolist(), paths, roles == seen, roles == asked)
        if parted:
            console.warn(
                f"{len(parted):,} of the {np.count_nonzero(roles == asked):,} {asked} pictures are near-copies of "
                f"{seen} pictures, such as {parted[0][2]} of {parted[0][1]}: they are known before they are asked"
            )


def _across(
    keys: Sequence[str], paths: Sequence[Path], here: npt.NDArray[np.bool_], there: npt.NDArray[np.bool_]
) -> list[tuple[str, Path, Path]]:
    """(key, a picture here, the picture there) of every picture there whose key one here has; masks are (N,)."""
    of_here = {keys[number]: paths[number] for number in np.flatnonzero(here).tolist()}
    return [
        (keys[number], of_here[keys[number]], paths[number])
        for number in np.flatnonzero(there).tolist()
        if keys[number] in of_here
    ]
