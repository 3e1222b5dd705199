"""Your own images: `train/<class>/*` with `test/` and `validation/` beside it, or `<class>/*` that is split for you.

The class names are the sorted names of the folders. Splits may have several names (`_folder_layout`). A class folder is
searched at any depth, as `picture_files.walk` describes, and files that are left out are counted by kind. Only a class
folder itself may be a link to a folder, so that loops of links do no harm.

Images are split by content: an image's digest decides its split, so images that are added, renamed, moved or copied
move no other image. Copies, near-copies and images of the same `group` stay together; a new near-copy of some of them
may move them all. An image must not be in test/ and in another split.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgecnn.data import Split, _folder_layout, _others, _own_pictures
from edgecnn.data._folder_layout import Layout
from edgecnn.data._folder_layout import test_of as test_of
from edgecnn.data._listed import Listed
from edgecnn.errors import DataError
from edgecnn.records import labels as labels_of

LICENCE = "that of your pictures"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {}
"""Empty, since only you know what your labels mean: do not flip letters, or left and right hands."""


def load(
    path: str = "",
    size: int | list[int] = 32,
    width: int = 0,
    resize: str = "crop",
    larger: float = 1.0,
    channels: int = 3,
    test: float = 0.2,
    seed: int = 0,
    skip_broken: bool = False,
    skip_leaks: bool = False,
    group: str = "",
    near_copies: bool = True,
    leave_out: str = "",
    split: str = "content",
    others: str = "",
) -> tuple[Split, Split]:
    """Load the images of a folder, which are decoded once and then read from a cache.

    Args:
        path: the folder.
        size: height that images are resized to, in pixels, or [height, width].
        width: width that images are resized to, if `size` is the height alone; 0 for square images.
        resize: how: "crop" keeps the largest centred part of that aspect ratio, "crop:0.875" the central 87.5 % of
            its height and width, "squash" stretches, "letterbox" adds black bars, "letterbox:114" grey ones.
        larger: how much larger the images are, up to 2, that augment.resized_crop takes random parts from.
        channels: 1 for grayscale, 3 for RGB.
        test: share of every class that becomes the test split, if there is no test/.
        seed: of that split.
        skip_broken: leave out images that cannot be read, and print how many.
        skip_leaks: learn from no image that is also in the test split, and print how many are left out for that.
        group: a regular expression, searched for in an image's path below its class folder. Images with the same groups
            of the match, or the same match if it has none, stay in the same split: a subject, or a video.
        near_copies: keep near-copies (re-encoded, resized or shifted by a few pixels) in the same split.
        leave_out: a list of `edgecnn data check --fix`; the pictures that it says so of are left out.
        split: "content", or "drawn" for runs made before images were split by content: with one image more, every split
            is drawn anew.
        others: a folder of pictures of anything else, which become the class "none of these"; "" for none.

    Returns:
        The training and the test split, uint8 (N, H, W, channels).

    Raises:
        PlanError: an option is out of range.
        DataError: there is no such folder, it has fewer than two classes or a class without images, its splits have
            different classes, an image is in test/ and in another split, or an image cannot be read.
    """
    return _own_pictures.load(
        functools.partial(listed, others=others), path, size=size, width=width, resize=resize, larger=larger,
        channels=channels, test=test, seed=seed, skip_broken=skip_broken, skip_leaks=skip_leaks, group=group,
        near_copies=near_copies, leave_out=leave_out, split=split,
    )  # fmt: skip


def listed(root: Path, others: str = "") -> Listed:
    """List the images of a folder, split after split, class after class, and sorted by path; then the others."""
    layout = _folder_layout.find(root)
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
    rows = [
        (path, label, role)
        for role, paths_by_class in by_role.items()
        for label, name in enumerate(classes)
        for path in paths_by_class[name]
    ]
    paths, labels, roles = zip(*rows, strict=True)
    own = Listed(
        str(layout.train),
        classes,
        paths,
        tuple(_names(paths, layout)),
        np.array(labels, dtype=np.int64),
        np.array(roles, dtype="U10"),
        no_test="there is no test/",
    )
    return _others.added(own, others)


def _names(paths: Sequence[Path], layout: Layout) -> list[str]:
    """Return every image's path below its class folder, with / between its parts."""
    parts = [part for _, part in layout.parts]
    below = (path.relative_to(next(part for part in parts if path.is_relative_to(part))) for path in paths)
    return ["/".join(path.parts[1:]) for path in below]
