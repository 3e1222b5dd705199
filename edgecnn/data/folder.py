"""Your own pictures: `train/<class>/*` and `test/<class>/*`, or `<class>/*` that is split by a stated seed.

The class names are the folders' names, sorted. Pictures are found in a class folder at any depth, as
`picture_files.walk` says; what is left out is counted by kind, and links to folders are followed for a
class folder only, so no loop of links can trap the search. A picture must not be in both splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn import console, picture_files
from edgecnn.data import Split, _decoded, stratified
from edgecnn.data._stored import Pixels, Stored
from edgecnn.errors import DataError, PlanError

LICENCE = "that of your pictures"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {}
"""Nobody but you knows what your labels mean: flip no letters, and no left and right hands."""

DARK = 15
"""What is left of 12 bits in a file of 16."""
DARK_SHARE = 0.1
DARK_SAMPLE = 500
"""Pictures that are looked at, evenly spread, of a folder with more."""


def load(
    path: str = "",
    size: int = 32,
    channels: int = 3,
    test: float = 0.2,
    seed: int = 0,
    skip_broken: bool = False,
) -> tuple[Split, Split]:
    """(train, test), uint8 (N, size, size, channels), decoded once and then read from a cache.

    path: the folder.
    size: side in pixels, reached by pictures.RESIZE_RULE.
    channels: 1 for grey, 3 for RGB.
    test: share of every class that becomes the test split, if there is no train/ and test/ pair;
        copies of one picture stay on one side.
    seed: of that split.
    skip_broken: leave out the pictures that cannot be read, and say how many.

    Raises PlanError for an option out of range, DataError for a folder that cannot be learnt from: no
    such folder, fewer than two classes, a class without pictures, other classes in test/ than in
    train/, the same picture in both, or one that cannot be read.
    """
    if not path:
        raise PlanError("[data] lacks the key 'path'.", "name the folder of your pictures: --data path/to/folder")
    if size < 1 or channels not in (1, 3):
        raise PlanError(f"[data]: size = {size}, channels = {channels} is no shape of a picture.", "channels: 1 or 3")
    if not 0 < test < 1:
        raise PlanError(f"[data]: test = {test} should lie between 0 and 1.")
    root = Path(path).expanduser()
    parts = _parts(root)
    found = {part: _classes(part) for part in parts}
    classes = tuple(found[parts[0]])
    if len(parts) == 2 and (other := sorted(set(classes) ^ set(found[parts[1]]))):
        raise DataError(f"train/ and test/ in {root} differ in classes: {', '.join(other)}.", "they need the same ones")
    if len(classes) < 2:
        raise DataError(f"{parts[0]} has one class only ({classes[0]!r}).", "a classifier needs at least two")

    listed = [
        (picture, label, part is not parts[0])
        for part in parts
        for label, name in enumerate(classes)
        for picture in found[part][name]
    ]
    paths = [picture for picture, _, _ in listed]
    labels = np.array([label for _, label, _ in listed], dtype=np.int64)
    contents = _decoded.digests(paths)
    in_test = np.array([is_test for _, _, is_test in listed])
    if len(parts) == 2:
        _refuse_leak(paths, contents, int(np.argmax(in_test)))
    else:
        in_test = _split(labels, contents, test, seed)

    images, broken = _decoded.images(paths, contents, size=size, channels=channels, skip_broken=skip_broken)
    kept = np.ones(len(paths), dtype=bool)
    kept[broken] = False
    if broken:
        console.warn(
            f"left out {len(broken):,} of {len(paths):,} pictures that cannot be read, {paths[broken[0]]} first"
        )
    _warn_of_dark(images, np.flatnonzero(kept))
    whole = Split(images, labels, classes)
    return whole.take(np.flatnonzero(kept & ~in_test)), whole.take(np.flatnonzero(kept & in_test))


def _parts(root: Path) -> list[Path]:
    """[train/, test/] of the folder, or the folder alone."""
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(f"{root} {problem}.", "name a folder with one folder of pictures per class")
    pair = [root / "train", root / "test"]
    present = [part for part in pair if part.is_dir()]
    if len(present) == 1:
        missing = next(part for part in pair if part not in present)
        raise DataError(
            f"{root} has {present[0].name}/ but no {missing.name}/.", f"add {missing.name}/, or name {present[0]}"
        )
    if present and (
        unread := sorted(p.name for p in root.iterdir() if p.is_dir() and p not in pair and p.name[0] != ".")
    ):
        console.warn(f"only train/ and test/ of {root} are read, not {', '.join(unread)}")
    return present or [root]


def _classes(part: Path) -> dict[str, tuple[Path, ...]]:
    """Class name -> its pictures; both sorted. Says what lies there and is no picture that can be read."""
    real = part.resolve()
    try:
        entries = sorted(part.iterdir())
    except OSError as error:
        raise DataError(f"Cannot read {part}: {error.strerror}.") from error
    folders = [
        entry
        for entry in entries
        if entry.is_dir()
        and not picture_files.is_passed_over(entry.name)
        and not real.is_relative_to(entry.resolve())
    ]
    if not folders:
        raise DataError(f"{part} holds no class folders.", "put the pictures of each class into a folder of its name")
    listings = {folder.name: picture_files.walk(folder) for folder in folders}
    for name, listing in listings.items():
        if not listing.pictures:
            raise picture_files.none_in(f"The class folder {part / name}", listing)
    left_out = Counter(entry.name for entry in entries if entry.is_dir() and picture_files.is_passed_over(entry.name))
    for listing in listings.values():
        left_out += listing.left_out
    if left_out:
        say = console.warn if picture_files.is_loss(left_out) else console.note
        say(f"left out {picture_files.told(left_out)} in {part}")
    if loose := picture_files.loose(part):
        console.warn(f"left out {len(loose):,} pictures that lie in no class folder, {loose[0]} first")
    return {name: listing.pictures for name, listing in listings.items()}


def _warn_of_dark(images: Pixels | Stored, kept: npt.NDArray[np.int64]) -> None:
    """Say so if many of the kept pictures hardly leave black, as numbers do that stop short of their file's white."""
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


def _split(labels: npt.NDArray[np.int64], contents: list[str], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which pictures are for test, (N,); a picture goes where the first of its copies went."""
    _, first, copy_of = np.unique(np.array(contents, dtype="S64"), return_index=True, return_inverse=True)
    original = first[copy_of]  # (N,)
    originals = np.unique(original)
    in_test = np.zeros(len(labels), dtype=bool)
    in_test[originals] = stratified(labels[originals], share, seed)
    return in_test[original]


def _refuse_leak(paths: list[Path], contents: list[str], n_train: int) -> None:
    """DataError if one of the first `n_train` pictures is, byte for byte, among the rest."""
    learnt = dict(zip(contents[:n_train], paths[:n_train], strict=True))
    leaks = [
        (learnt[content], path)
        for content, path in zip(contents[n_train:], paths[n_train:], strict=True)
        if content and content in learnt
    ]
    if leaks:
        raise DataError(
            f"{leaks[0][0]} and {leaks[0][1]} are the same picture"
            + (f", and so are {len(leaks) - 1:,} more in both train/ and test/." if len(leaks) > 1 else "."),
            "remove it from one of them: a test picture must not be learnt from",
        )
