"""Your own images: `train/<class>/*` with `test/` and `validation/` beside it, or `<class>/*` that is split for you.

The class names are the sorted names of the folders. Splits may have several names (`_folder_layout`). A class folder is
searched at any depth, as `picture_files.walk` describes, and files that are left out are counted by kind. Only a class
folder itself may be a link to a folder, so that loops of links do no harm.

Images are split by content: an image's digest decides its split, so images that are added, renamed, moved or copied
move no other image. Copies, near-copies and images of the same `group` stay together; a new near-copy of some of them
may move them all. An image must not be in test/ and in another split.
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
"""Empty, since only you know what your labels mean: do not flip letters, or left and right hands."""


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
    """Load the images of a folder, which are decoded once and then read from a cache.

    Args:
        path: the folder.
        size: height that images are resized to, in pixels (artifact.RESIZE_RULE).
        width: width that images are resized to, in pixels; 0 for square images.
        channels: 1 for grayscale, 3 for RGB.
        test: share of every class that becomes the test split, if there is no test/.
        seed: of that split.
        skip_broken: leave out images that cannot be read, and print how many.
        group: a regular expression, searched for in an image's path below its class folder. Images with the same groups
            of the match, or the same match if it has none, stay in the same split: a subject, or a video.
        near_copies: keep near-copies (re-encoded, resized or shifted by a few pixels) in the same split.
        split: "content", or "drawn" for runs made before images were split by content: with one image more, every split
            is drawn anew.

    Returns:
        The training and the test split, uint8 (N, size, width, channels).

    Raises:
        PlanError: an option is out of range.
        DataError: there is no such folder, it has fewer than two classes or a class without images, its splits have
            different classes, an image is in test/ and in another split, or an image cannot be read.
    """
    _check_options(path, size, width, channels, test, split)
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
    files = np.array([str(path) for path in paths], dtype=np.str_)
    whole = Split(images, labels, classes, np.array(contents, dtype=np.str_), keys, held_out, files)
    return whole.take(np.flatnonzero(kept & (roles != "test"))), whole.take(np.flatnonzero(kept & (roles == "test")))


def _check_options(path: str, size: int, width: int, channels: int, test: float, split: str) -> None:
    if not path:
        raise PlanError("[data] lacks the key 'path'.", "name the folder of your pictures: --data path/to/folder")
    if size < 1 or width < 0 or channels not in (1, 3):
        raise PlanError(f"[data]: size = {size}, channels = {channels} is no shape of a picture.", "channels: 1 or 3")
    if not 0 < test < 1:
        raise PlanError(f"[data]: test = {test} should lie between 0 and 1.")
    if split not in ("content", "drawn"):
        raise PlanError(f"[data]: split = {split!r} is unknown.", 'split = "content"')


def _files(layout: Layout) -> tuple[tuple[str, ...], list[Path], npt.NDArray[np.int64], npt.NDArray[np.str_]]:
    """Return the class names and, for all images, split after split, their paths, labels (N,) and roles (N,)."""
    by_role = {role: _folder_layout.classes(part) for role, part in layout.parts}
    classes = tuple(by_role["train"])
    for role, part in layout.parts:
        if other := sorted(set(classes) ^ set(by_role[role])):
            raise DataError(
                f"{layout.train} and {part} differ in classes: {', '.join(other)}.", "they need the same ones"
            )
    if len(classes) < 2:
        raise DataError(f"{layout.train} has one class only ({classes[0]!r}).", "a classifier needs at least two")
    labels_of.require_plain(classes, str(layout.train))
    listed = [
        (path, label, role)
        for role, paths_by_class in by_role.items()
        for label, name in enumerate(classes)
        for path in paths_by_class[name]
    ]
    paths, labels, roles = zip(*listed, strict=True)
    return classes, list(paths), np.array(labels, dtype=np.int64), np.array(roles, dtype=np.str_)


def _names(paths: list[Path], layout: Layout) -> list[str]:
    """Return every image's path below its class folder, with / between its parts."""
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
    in_test[free] = by_key(labels[free], keys[free], share, f"test {seed}")
    return in_test


def _drawn(labels: npt.NDArray[np.int64], contents: list[str], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Draw the test images, (N,) bool; an image goes where the first of its copies goes."""
    _, first, copy_of = np.unique(np.array(contents, dtype="S64"), return_index=True, return_inverse=True)
    original = first[copy_of]  # (N,)
    originals = np.unique(original)
    in_test = np.zeros(len(labels), dtype=bool)
    in_test[originals] = stratified(labels[originals], share, seed)
    return in_test[original]
