"""Tables that name pictures, each with its class: the lines of a CSV file, or JSON objects, one a line.

A table may come from anywhere. It can name files below its own folder only, so a list is as portable as its folder, and
what is wrong with it is told with the number of the line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edgecnn.common import console, documents, escapes
from edgecnn.common.documents import Unreadable
from edgecnn.data._listed import Row
from edgecnn.errors import DataError
from edgecnn.records.data_paths import ROLES, Role

LARGEST_BYTES = 1 << 28
"""The largest table that is read: some millions of lines."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a table."""

    place: str
    """The table and the line, as a message names them."""
    name: str
    """The file's path, from the folder of the table."""
    label: str
    role: Role | None = None


def csv_lines(table: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (place, cells) of every line of a CSV file that is not empty; all have as many cells as the first.

    Raises:
        DataError: It cannot be read, is no UTF-8 text or no CSV, or a line has fewer cells or more.
    """
    lines = csv.reader(io.StringIO(_text(table), newline=""), skipinitialspace=True, strict=True)
    end = width = 0
    try:
        for cells in lines:
            place, end = f"{table}, line {end + 1}", lines.line_num  # a quoted cell may have several
            width = width or len(cells)
            if cells and len(cells) != width:
                raise DataError(
                    f"{place} has {len(cells)} cells, the first one {width}.", 'quote what holds a comma: "'
                )
            if cells:
                yield place, cells
    except csv.Error as error:
        raise DataError(
            f"{table}, line {end + 1}: it is not CSV ({error}).", "write a quote in a cell twice"
        ) from error


def json_lines(table: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place, object) of every line of a JSON Lines file that is not empty. Raises DataError."""
    for number, line in enumerate(_text(table).split("\n"), 1):
        if line.strip():
            try:
                yield f"{table}, line {number}", documents.table(line)
            except Unreadable as error:
                raise DataError(f"{table}, line {number}: {error}.", 'one object a line: {"file_name": ...}') from error


def _text(table: Path) -> str:
    try:
        return documents.content(table, LARGEST_BYTES).decode("utf-8-sig")
    except Unreadable as error:
        raise DataError(f"Cannot read {table}: {error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"Cannot read {table}: it is no UTF-8 text.", "save it as UTF-8") from error


def is_there(path: Path) -> bool:
    """Return whether there is such a file; what no file can be called is not there."""
    try:
        return path.is_file()
    except OSError:
        return False


def role(word: str, place: str) -> Role | None:
    """Return the split that a cell means, None for an empty one. Raises DataError for any other word."""
    word = word.strip()
    if word and word.casefold() not in ROLES:
        raise DataError(f"{place}: {word!r} is no split.", "train, validation or test")
    return ROLES.get(word.casefold())


def label(value: Any, place: str) -> str:
    """Return the class that a cell names: a text, or a whole number by its digits. Raises DataError for others."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise DataError(f"{place}: the picture has no label.", "fill it in, or remove the line")
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise DataError(f"{place}: the label is neither a text nor a whole number.", "one label a picture")


def rows(table: Path, entries: Iterable[Entry]) -> list[Row]:
    """Return the pictures that a table names; lines that are there twice count once, with a warning.

    Raises:
        DataError: A path leads out of the table's folder, a picture has two labels or splits, or none of them is there.
    """
    first: dict[Path, Entry] = {}
    repeated = 0
    for entry in entries:
        before = first.setdefault(_path_inside(table.parent, entry), entry)
        if (before.label, before.role) != (entry.label, entry.role):
            here, there = (" ".join(filter(None, (repr(line.label), line.role))) for line in (entry, before))
            line = before.place.rpartition(" ")[2]
            raise DataError(f"{entry.place}: {entry.name} is {here}, and {there} in line {line}.", "remove one of them")
        repeated += before is not entry
    if repeated:
        console.warn(f"{repeated:,} lines of {table} name a picture that an earlier one names: they count once")
    _refuse_strange_place(table, first)
    return [Row(path, str(path.relative_to(table.parent)), entry.label, entry.role) for path, entry in first.items()]


def _path_inside(folder: Path, entry: Entry) -> Path:
    """Return the path of a picture below the folder. Raises DataError for one that is not."""
    path = PurePosixPath(entry.name)
    if not entry.name or escapes.has_controls(entry.name):
        problem = "holds control characters" if entry.name else "is empty"
        raise DataError(f"{entry.place}: the file name {problem}.", "name a picture's file")
    if path.is_absolute() or ".." in path.parts:
        raise DataError(
            f"{entry.place}: {entry.name} leads out of {folder}.",
            "name pictures from there, as in cat/1.jpg; put the table above all of them",
        )
    return folder / path


def _refuse_strange_place(table: Path, first: dict[Path, Entry]) -> None:
    """Raise DataError if no picture is there; where only some are missing, these are pictures that cannot be read."""
    if first and not any(map(is_there, first)):
        path, entry = next(iter(first.items()))
        hint = f"file names are read from the folder of the table, {table.parent}"
        if "\\" in entry.name:
            hint = "write / between folders"
        raise DataError(f"None of the {len(first):,} pictures that {table} names is there, {path} first.", hint)
