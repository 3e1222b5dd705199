"""Your own images as a folder of Hugging Face `datasets`: files, and a metadata.csv or metadata.jsonl that names them.

A table has the columns file_name, read from its own folder, and label. It may lie in the folder or in each of train/,
validation/ and test/; a file's split is the folder after a split that it lies in. What the folders between are called
does not count. Apart from that, images are read and split as those of a folder are.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgecnn.common import console
from edgecnn.data import Split, _listed, _own_pictures, _tables
from edgecnn.data._listed import Listed, Row
from edgecnn.data._tables import Entry
from edgecnn.errors import DataError
from edgecnn.onboard import picture_files
from edgecnn.records import data_paths
from edgecnn.records.data_paths import ROLES

LICENCE = "that of your pictures"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {}
"""Empty, since only you know what your labels mean."""

FILE_NAME = "file_name"


def load(
    path: str = "",
    label: str = "label",
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
    """Load the images that the tables of a folder name, which are decoded once and then read from a cache.

    Args:
        path: the folder.
        label: the column of the classes.
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
        group: a regular expression, searched for in an image's path below the folder; images with the same match stay
            in the same split.
        near_copies: keep near-copies in the same split.
        leave_out: a list of `edgecnn data check --fix`; the pictures that it says so of are left out.

    Returns:
        The training and the test split, uint8 (N, H, W, channels).

    Raises:
        PlanError: an option is out of range.
        DataError: a table or an image cannot be read, or a table contradicts itself.
    """
    return _own_pictures.load(
        functools.partial(listed, label=label), path, size=size, width=width, resize=resize, larger=larger,
        channels=channels, test=test, seed=seed, skip_broken=skip_broken, skip_leaks=skip_leaks, group=group,
        near_copies=near_copies, leave_out=leave_out,
    )  # fmt: skip


def listed(place: Path, label: str = "label") -> Listed:
    """List the images that the tables of a folder name, as `load` reads them. Raises DataError."""
    root = place.parent if place.is_file() else place
    tables = data_paths.files(place, "hf-folder")
    if not tables:
        raise DataError(f"{root} has no metadata.csv or metadata.jsonl.", "name the folder that holds one")
    rows = [_placed(row, root) for table in tables for row in _tables.rows(table, _entries(table, label))]
    named = {row.picture for row in rows}
    if len(named) < len(rows):
        raise DataError(f"{len(rows) - len(named):,} pictures of {root} are named by two tables.", "remove one of them")
    unnamed = [path for path in picture_files.walk(root).pictures if path not in named]
    console.note(f"{', '.join(map(str, tables))}: {len(rows):,} pictures, their classes by the column {label}")
    if unnamed and place.is_dir():
        console.warn(f"left out {len(unnamed):,} pictures of {root} that no table names, {unnamed[0]} first")
    return _listed.in_order(rows, str(root))


def _entries(table: Path, label: str) -> Iterator[Entry]:
    """Yield all lines of a table."""
    lines = _objects(table) if table.suffix.lower() == ".csv" else _tables.json_lines(table)
    for place, cells in lines:
        for column in (FILE_NAME, label):
            if column not in cells:
                raise DataError(
                    f"{place}: there is no {column!r} among {', '.join(cells)}.",
                    f"name the classes' column: -s data.label=COLUMN; or --data folder:{table.parent}, whose folders"
                    " are the classes" if column == label else "datasets calls the column of file names so",
                )  # fmt: skip
        yield Entry(place, str(cells[FILE_NAME]), _tables.label(cells[label], place))


def _objects(table: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place, cells by column) of every line of a CSV file below its header."""
    lines = _tables.csv_lines(table)
    _, head = next(lines, ("", []))
    columns = [cell.strip() for cell in head]
    if len(set(columns)) < len(columns):
        raise DataError(f"{table} has two columns of one name: {', '.join(columns)}.", "rename one")
    for place, cells in lines:
        yield place, dict(zip(columns, cells, strict=True))


def _placed(row: Row, root: Path) -> Row:
    """Return the row with its path below the root, and the split whose folder it lies in."""
    assert isinstance(row.picture, Path)
    below = row.picture.relative_to(root)
    role = ROLES.get(below.parts[0].casefold()) if len(below.parts) > 1 else None
    return Row(row.picture, below.as_posix(), row.label, role)
