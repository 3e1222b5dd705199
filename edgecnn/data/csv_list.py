"""Your own images as a list: a CSV file of path,label or path,label,split.

A first line that names the columns is a header; without one the columns are path, label and split, and the first line
has to be a picture that is there. Paths are read from the folder of the list, and none leads out of it. The words for
splits are those of folders (`data_paths.ROLES`). Apart from that, images are read and split as those of a folder are.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from edgecnn.common import console, escapes
from edgecnn.data import Split, _listed, _own_pictures, _tables
from edgecnn.data._listed import Listed
from edgecnn.data._tables import Entry
from edgecnn.errors import DataError
from edgecnn.records import data_paths
from edgecnn.records import labels as labels_of

LICENCE = "that of your pictures"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {}
"""Empty, since only you know what your labels mean."""

PATH_COLUMNS = ("path", "file_name", "filename", "file", "image")
LABEL_COLUMNS = ("label", "class")
SPLIT_COLUMNS = ("split",)
"""What a header calls the columns, in upper or lower case."""
HINT = "begin it with the line path,label or path,label,split, parted by commas"


def load(
    path: str = "",
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
    """Load the images of a list, which are decoded once and then read from a cache.

    Args:
        path: the CSV file.
        label: the column of the classes; by default "label" or "class".
        size: height that images are resized to, in pixels, or [height, width].
        width: width that images are resized to, if `size` is the height alone; 0 for square images.
        resize: how: "crop" keeps the largest centred part of that aspect ratio, "crop:0.875" the central 87.5 % of
            its height and width, "squash" stretches, "letterbox" adds black bars, "letterbox:114" grey ones.
        larger: how much larger the images are, up to 2, that augment.resized_crop takes random parts from.
        channels: 1 for grayscale, 3 for RGB.
        test: share of every class that becomes the test split, if the list has none.
        seed: of that split.
        skip_broken: leave out images that cannot be read, and print how many.
        skip_leaks: learn from no image that is also in the test split, and print how many are left out for that.
        group: a regular expression, searched for in an image's path as the list has it; images with the same match stay
            in the same split.
        near_copies: keep near-copies in the same split.
        leave_out: a list of `edgecnn data check --fix`; the pictures that it says so of are left out.

    Returns:
        The training and the test split, uint8 (N, H, W, channels).

    Raises:
        PlanError: an option is out of range.
        DataError: the list or an image cannot be read, or the list contradicts itself.
    """
    return _own_pictures.load(
        functools.partial(listed, label=label), path, size=size, width=width, resize=resize, larger=larger,
        channels=channels, test=test, seed=seed, skip_broken=skip_broken, skip_leaks=skip_leaks, group=group,
        near_copies=near_copies, leave_out=leave_out,
    )  # fmt: skip


def listed(place: Path, label: str = "") -> Listed:
    """List the images that a CSV file names, as `load` reads them. Raises DataError."""
    (table,) = data_paths.files(place, "csv-list") or [place]
    return _listed.in_order(_tables.rows(table, _entries(table, label)), str(table))


def _entries(table: Path, label: str) -> Iterator[Entry]:
    """Yield all lines, and say which columns they are read by."""
    lines = _tables.csv_lines(table)
    try:
        place, head = next(lines)
    except StopIteration:
        raise DataError(f"{table} is empty.", HINT) from None
    columns = _columns(table, head, label)
    if columns is None:
        columns = _without_header(table, head, label)
        lines = chain([(place, head)], lines)
    for place, cells in lines:
        name, label_cell, split = (cells[column] if column is not None else "" for column in columns)
        yield Entry(place, name, _tables.label(label_cell, place), _tables.role(split, place))


def _columns(table: Path, head: Sequence[str], label: str) -> tuple[int, int, int | None] | None:
    """Return the places of path, label and split in a header; None if the first line is none.

    Raises:
        DataError: It is a header, and lacks a column or has two of a kind.
    """
    names = [cell.strip().casefold() for cell in head]
    paths = [place for place, name in enumerate(names) if name in PATH_COLUMNS]
    wanted = (label.casefold(),) if label else LABEL_COLUMNS
    labels = [place for place, name in enumerate(names) if name in wanted]
    splits = [place for place, name in enumerate(names) if name in SPLIT_COLUMNS]
    if not paths or (not labels and _tables.is_there(table.parent / head[0])):
        return None
    for kind, places in (("file names", paths), ("labels", labels), ("splits", splits)):
        if len(places) > 1:
            raise DataError(f"{table} has {len(places)} columns of {kind}: {_told(head, places)}.", "rename one")
    if not labels:
        raise DataError(f"{table} has no column {' or '.join(wanted)}: {_told(head)}.", "name it: -s data.label=COLUMN")
    read = [paths[0], labels[0], *splits]
    unread = [place for place in range(len(head)) if place not in read]
    console.note(f"{table}: its columns {_told(head, read)} are read" + f", not {_told(head, unread)}" * bool(unread))
    return paths[0], labels[0], splits[0] if splits else None


def _without_header(table: Path, first: Sequence[str], label: str) -> tuple[int, int, int | None]:
    """Return the places of path, label and split in a list without a header.

    Raises:
        DataError: The first line is not that of a picture.
    """
    is_picture = 2 <= len(first) <= 3 and bool(first[0]) and _tables.is_there(table.parent / first[0])
    if label or not is_picture:
        raise DataError(f"The first line of {table} is no header and no picture that is there: {_told(first)}.", HINT)
    columns = ("path", "label", "split")[: len(first)]
    console.note(f"{table} has no header: its columns are {', '.join(columns)}")
    return 0, 1, 2 if len(first) == 3 else None


def _told(cells: Sequence[str], places: Sequence[int] | None = None) -> str:
    """Return cells for a sentence, the first ones of many."""
    shown = [escapes.line(cells[place][:40]) for place in (range(len(cells)) if places is None else places)]
    return labels_of.listed(shown)
