"""Your own pictures: `train/<class>/*` with `test/` and `validation/` beside it, or `<class>/*` that is cut for you.

The class names are the folders' names, sorted. Splits go by many names (`_folder_layout`). Pictures are found in
a class folder at any depth, as `picture_files.walk` says; what is left out is counted by kind, and links to folders are
followed for a class folder only, so no loop of links can trap the search.

What is cut is cut by content: a picture's digest decides its side, so that pictures which are added, renamed, moved or
copied move no other one. Copies, near-copies and pictures of one `group` stay together; a near-copy that joins them may
take them with it. A picture must not be in test/ and in another split.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import console
from edgecnn.data import Split, _copies, _decoded, _folder_layout, _near_copies, _remarks
from edgecnn.data._cut import Texts, by_key, stratified
from edgecnn.data._folder_layout import Layout
from edgecnn.data._folder_layout import test_of as test_of
from edgecnn.errors import DataError, PlanError
from edgecnn.records import labels as labels_of

LICENCE = "that of your pictures"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {}
"""Nobody but you knows what your labels mean: flip no letters, and no left and right hands."""


def load(
    path: str = "",
    size: int = 32,
    width: int = 0,
    channels: int = 3,
    test: float = 0.2,
    seed: int = 0,
    skip_broken: bool = False,
    group: str = "",
    near_copies: bool = True,
    split: str = "content",
) -> tuple[Split, Split]:
    """(train, test), uint8 (N, size, width, channels), decoded once and then read from a cache.

    path: the folder.
    size: height in pixels, reached by artifact.RESIZE_RULE.
    width: in pixels; 0 for square pictures.
    channels: 1 for grey, 3 for RGB.
    test: share of every class that becomes the test split, if there is no test/.
    seed: of that split.
    skip_broken: leave out the pictures that cannot be read, and say how many.
    group: a pattern (Python's `re`) of a picture's path below its class folder; pictures for which its groups, or else
        the whole match, are the same stay on one side: one subject, one video.
    near_copies: keep the same frame, re-encoded, resized or shifted by a few pixels, on one side.
    split: "content", or "drawn", as runs before that was had it: with one picture more every side is drawn anew.

    Raises PlanError for an option out of range, DataError for a folder that cannot be learnt from: no
    such folder, fewer than two classes, a class without pictures, other classes in one split than in
    another, the same picture in test/ and beside it, or one that cannot be read.
    """
    if not path:
        raise PlanError("[data] lacks the key 'path'.", "name the folder of your pictures: --data path/to/folder")
    if size < 1 or width < 0 or channels not in (1, 3):
        raise PlanError(f"[data]: size = {size}, channels = {channels} is no shape of a picture.", "channels: 1 or 3")
    if not 0 < test < 1:
        raise PlanError(f"[data]: test = {test} should lie between 0 and 1.")
    if split not in ("content", "drawn"):
        raise PlanError(f"[data]: split = {split!r} is unknown.", 'split = "content"')
    layout = _folder_layout.find(Path(path).expanduser())
    classes, paths, labels, roles = _files(layout)
    contents = _decoded.digests(paths)
    _copies.refuse_leak(paths, contents, roles)
    shape = size, width or size, channels
    images, broken = _decoded.images(paths, contents, shape=shape, skip_broken=skip_broken)
    looked = _near_copies.look(paths, contents) if near_copies and split == "content" else None
    keys = _copies.keys(_names(paths, layout), contents, looked, group) if split == "content" else None
    kept = np.ones(len(paths), dtype=bool)
    kept[broken] = False
    if broken:
        console.warn(
            f"left out {len(broken):,} of {len(paths):,} pictures that cannot be read, {paths[broken[0]]} first"
        )
    _remarks.say(paths, labels, contents, classes, looked)
    _remarks.say_dark(images, np.flatnonzero(kept))
    if keys is not None:
        _copies.say(keys, contents, labels, classes, bool(group))
        _copies.say_parted(paths, keys, roles)
    if layout.test is None:
        roles[_to_test(labels, roles, contents, keys, test, seed)] = "test"
        console.note(f"there is no test/: {100 * test:g} % of the pictures of {layout.train} are cut off to test with")
    held_out = None if layout.validation is None else roles == "validation"
    whole = Split(images, labels, classes, np.array(contents, dtype=np.str_), keys, held_out)
    return whole.take(np.flatnonzero(kept & (roles != "test"))), whole.take(np.flatnonzero(kept & (roles == "test")))


def _files(layout: Layout) -> tuple[tuple[str, ...], list[Path], npt.NDArray[np.int64], npt.NDArray[np.str_]]:
    """(class names, every picture's path, its label (N,), the split it lies in (N,)), split after split."""
    found = {role: _folder_layout.classes(part) for role, part in layout.parts}
    classes = tuple(found["train"])
    for role, part in layout.parts:
        if other := sorted(set(classes) ^ set(found[role])):
            raise DataError(
                f"{layout.train} and {part} differ in classes: {', '.join(other)}.", "they need the same ones"
            )
    if len(classes) < 2:
        raise DataError(f"{layout.train} has one class only ({classes[0]!r}).", "a classifier needs at least two")
    labels_of.require_plain(classes, str(layout.train))
    listed = [
        (path, label, role)
        for role, of_part in found.items()
        for label, name in enumerate(classes)
        for path in of_part[name]
    ]
    paths, labels, roles = zip(*listed, strict=True)
    return classes, list(paths), np.array(labels, dtype=np.int64), np.array(roles, dtype=np.str_)


def _names(paths: list[Path], layout: Layout) -> list[str]:
    """Every picture's path below its class folder, with / between its parts."""
    parts = [part for _, part in layout.parts]
    below = (path.relative_to(next(part for part in parts if path.is_relative_to(part))) for path in paths)
    return ["/".join(path.parts[1:]) for path in below]


def _to_test(
    labels: npt.NDArray[np.int64],
    roles: npt.NDArray[np.str_],
    contents: list[str],
    keys: Texts | None,
    share: float,
    seed: int,
) -> npt.NDArray[np.bool_]:
    """Which pictures (N,) are cut off to test with; none that validation/ holds, nor what belongs to one of those."""
    in_test = np.zeros(len(labels), dtype=bool)
    if keys is None:
        free = np.flatnonzero(roles != "validation")
        in_test[free] = _drawn(labels[free], [contents[index] for index in free], share, seed)
        return in_test
    validation = np.unique(keys[roles == "validation"])
    free = np.flatnonzero(~np.isin(keys, validation))
    in_test[free] = by_key(labels[free], keys[free], share, f"test {seed}")
    return in_test


def _drawn(labels: npt.NDArray[np.int64], contents: list[str], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which pictures are for test, (N,), by a draw; a picture goes where the first of its copies went."""
    _, first, copy_of = np.unique(np.array(contents, dtype="S64"), return_index=True, return_inverse=True)
    original = first[copy_of]  # (N,)
    originals = np.unique(original)
    in_test = np.zeros(len(labels), dtype=bool)
    in_test[originals] = stratified(labels[originals], share, seed)
    return in_test[original]
