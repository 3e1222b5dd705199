"""A list of pictures with what was found in each and what to do about it: `edgecnn data check --fix` writes it.

It is a CSV file with a header. A recipe whose data have `leave_out = "LIST"` leaves out the pictures whose action says
so; every other action is for people. Files are named from the folder of the pictures.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

from edgecnn.common import documents, files
from edgecnn.common.documents import Missing, Unreadable
from edgecnn.errors import DataError, nearest_path

Action = Literal["leave out", "look"]
LEAVE_OUT: Action = "leave out"
COLUMNS = ("file", "finding", "action", "class", "detail")
LARGEST_BYTES = 1 << 28


@dataclass(frozen=True, kw_only=True)
class LeaveOutLine:
    """A line of the list."""

    file: str
    finding: str
    action: str
    label: str
    """The class that the picture is in."""
    detail: str


def name(picture: object, place: Path) -> str:
    """Return what the list calls a picture: the text of its path, below the folder of the data at `place`."""
    folder = place if place.is_dir() else place.parent
    return str(picture).removeprefix(f"{folder}/")


def write(path: Path, entries: Iterable[LeaveOutLine]) -> None:
    """Write a list, atomically. Raises OutputError."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(COLUMNS)
    lines.writerows(astuple(entry) for entry in entries)
    files.write_bytes(path, text.getvalue().encode("utf-8", "surrogateescape"))  # a name may be no UTF-8


def read(path: Path) -> set[str]:
    """Return the names of the pictures that a list leaves out.

    Raises:
        DataError: There is no such file, or it is no list.
    """
    try:
        text = documents.content(path, LARGEST_BYTES).decode("utf-8-sig", "surrogateescape")
        lines = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if not {"file", "action"} <= set(lines.fieldnames or ()):
            raise Unreadable("its first line does not name the columns file and action")
        return {line["file"] for line in lines if (line["action"] or "").strip().casefold() == LEAVE_OUT}
    except Missing as error:
        raise DataError(f"There is no list {path}.", nearest_path(path, Path.is_file)) from error
    except (Unreadable, csv.Error) as error:
        raise DataError(
            f"{path} is no list of pictures to leave out: {error}.", "`edgecnn data check FOLDER --fix LIST` writes one"
        ) from error


def is_list(path: Path) -> bool:
    """Return whether a file begins as a list that `write` wrote."""
    with path.open("rb") as stream:
        return stream.readline(1 << 10).decode("utf-8", "replace").strip() == ",".join(COLUMNS)
