"""Images in Parquet files, as Hugging Face `datasets` writes them: a column of pictures and one of classes.

The word for a split in a file's name, or in that of its folder, is its split, as in train-00000-of-00002.parquet.
Pictures are bytes, or structures of bytes and path. Classes are the names that `datasets` notes in the file, or else
texts or numbers as they stand there. Needs pyarrow. Apart from that, images are read and split as those of a folder
are.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from edgecnn.common import console
from edgecnn.data import Split, _listed, _own_pictures, _unpacked
from edgecnn.data._listed import Listed, Row
from edgecnn.errors import DataError
from edgecnn.records import data_paths

LICENCE = "that of your pictures"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {}
"""Empty, since only you know what your labels mean."""


def load(
    path: str = "",
    image: str = "",
    label: str = "",
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
) -> tuple[Split, Split]:
    """Load the images of Parquet files, which are decoded once and then read from a cache.

    Args:
        path: the folder of the files, or one file.
        image: the column of the images; by default the one that is declared as such, or called image.
        label: the column of the classes; by default the one that is declared as such, or called label.
        size: height that images are resized to, in pixels, or [height, width].
        width: width that images are resized to, if `size` is the height alone; 0 for square images.
        resize: how: "crop" keeps the largest centred part of that aspect ratio, "crop:0.875" the central 87.5 % of
            its height and width, "squash" stretches, "letterbox" adds black bars, "letterbox:114" grey ones.
        larger: how much larger the images are, up to 2, that augment.resized_crop takes random parts from.
        channels: 1 for grayscale, 3 for RGB.
        test: share of every class that becomes the test split, if no file is for that.
        seed: of that split.
        skip_broken: leave out images that cannot be read, and print how many.
        skip_leaks: learn from no image that is also in the test split, and print how many are left out for that.
        group: a regular expression, searched for in the path that stands beside an image; images with the same match
            stay in the same split.
        near_copies: keep near-copies in the same split.
        leave_out: a list of `edgecnn data check --fix`; the pictures that it says so of are left out.

    Returns:
        The training and the test split, uint8 (N, H, W, channels).

    Raises:
        PlanError: an option is out of range.
        MissingPackage: pyarrow is not installed.
        DataError: a file or an image cannot be read, or an image has no label.
        EnvironmentUnfit: a file takes more memory or time than one of its size may.
    """
    return _own_pictures.load(
        functools.partial(listed, image=image, label=label), path, size=size, width=width, resize=resize, larger=larger,
        channels=channels, test=test, seed=seed, skip_broken=skip_broken, skip_leaks=skip_leaks, group=group,
        near_copies=near_copies, leave_out=leave_out,
    )  # fmt: skip


def listed(place: Path, image: str = "", label: str = "") -> Listed:
    """List the images of all files, as `load` reads them. Raises DataError, and as `load` does."""
    paths = data_paths.files(place, "parquet")
    if not paths:
        raise DataError(f"{place} holds no .parquet files.", "name the folder that holds them")
    tables = {}
    with console.progress("reading Parquet files", len(paths)) as advance:
        for path in paths:
            tables[path] = _unpacked.unpack(path, image, label)
            advance(1)
    first = next(iter(tables.values()))
    rows = []
    for path, table in tables.items():
        if (table.image, table.label, table.has_names) != (first.image, first.label, first.has_names):
            raise DataError(f"{paths[0]} and {path} differ in their columns, or only one names its classes.")
        role = _listed.role_of(path, place)
        for picture, name, of_class in zip(table.pictures, table.names, _labels(path, table), strict=True):
            rows.append(Row(picture, name, of_class, role))
    what = f"{len(rows):,} pictures of {len(paths)} Parquet file{'s' * (len(paths) != 1)}"
    meaning = "whose numbers have names" if first.has_names else "as it stands"
    console.note(
        f"{place}: {what}, by the columns {first.image} and {first.label} ({meaning}); unpacked in {_unpacked.folder()}"
    )
    return _listed.in_order(rows, str(place))


def _labels(path: Path, table: _unpacked.Unpacked) -> list[str]:
    """Return the class of every row. Raises DataError if one has none."""
    labels = [label for label in table.labels if label]
    if without := len(table.labels) - len(labels):
        row = next(row for row, label in enumerate(table.labels) if not label)
        raise DataError(
            f"{without:,} of {len(table.labels):,} rows of {path} have no class in {table.label}, row {row} first.",
            "a test split whose classes were never published cannot be tested on: take that file away",
        )
    return labels
