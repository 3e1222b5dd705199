"""Tells which data set reads the pictures at a path, by what lies there: class folders, a list, tables, archives.

Where a folder could be read in two ways, neither is guessed: `--data NAME:PATH` names one.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgecnn.errors import DataError, nearest_path
from edgecnn.records import resizing
from edgecnn.records.recipe import DataPlan
from edgecnn.records.resizing import CROP, Resizing

Role = Literal["train", "validation", "test"]

ROLES: dict[str, Role] = {
    "train": "train", "training": "train", "seg_train": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "seg_val": "validation",
    "test": "test", "testing": "test", "seg_test": "test",
}  # fmt: skip
"""The split that a word means, in upper or lower case."""
FOLDER = "folder"
SHARED = frozenset({
    "size", "width", "resize", "larger", "channels", "test", "skip_broken", "skip_leaks", "group", "near_copies",
    "leave_out",
})  # fmt: skip
"""The options that every data set of one's own pictures has, which stay when another one takes its place."""
NAMED = re.compile(r"([a-z][a-z0-9-]*):(.+)", re.DOTALL)
"""A data set and the path of its pictures."""
HEAD_BYTES = 1 << 16
"""How much of a table's beginning is searched for the column of file names."""
IMAGE_TYPES = mimetypes.MimeTypes()
"""The types that Python itself knows, whatever this system adds."""


@dataclass(frozen=True)
class PathKind:
    """The signs by which the pictures of one data set are recognised."""

    data: str
    """The data set's name."""
    words: str
    """What lies there."""
    patterns: tuple[str, ...]
    """Names of the files, in the folder itself, or in one below it that is called data or after a split."""
    suffix: str = ""
    """The suffix of a file that can be named instead of the folder."""


KINDS = (
    PathKind("csv-list", "a list", (), ".csv"),
    PathKind("hf-folder", "a table of file names", ("metadata.csv", "metadata.jsonl"), ".jsonl"),
    PathKind("parquet", "Parquet files", ("*.parquet",), ".parquet"),
    PathKind("webdataset", "tar shards", ("*.tar",), ".tar"),
)
NAMES = (FOLDER, *(kind.data for kind in KINDS))
"""The data sets of one's own pictures."""
RESIZED = (*NAMES, "coco")
"""The data sets whose pictures are brought to a size."""


def located(text: str) -> tuple[str, Path] | None:
    """Return (data set, path) of the pictures that a user names by their path, or as NAME:PATH; None for a name alone.

    Raises:
        DataError: A folder could be read in two ways, or a file is of no known kind.
    """
    path = Path(text)
    if path.is_dir():
        return _at_folder(path), path.resolve()
    by_suffix = {kind.suffix: kind.data for kind in KINDS}.get(path.suffix.lower())
    if path.exists() and not by_suffix and (path.suffix or "/" in text):
        raise DataError(
            f"{path} is no file of pictures that is known here ({' '.join(kind.suffix for kind in KINDS)}).",
            "name a folder with one folder of pictures per class; an archive is unpacked first",
        )
    if not path.exists() and (named := NAMED.fullmatch(text)):
        return named[1], _absolute(Path(named[2]))
    if by_suffix or "/" in text:
        return by_suffix or FOLDER, _absolute(path)
    return None


def word(plan: DataPlan) -> str:
    """Return what `--data` takes for a plan: its data set's name, or the path, named by the data set where need be."""
    path = plan.options.get("path")
    if path is None:
        return plan.name
    try:
        is_told = located(str(path)) == (plan.name, Path(path))
    except DataError:
        is_told = False
    return str(path) if is_told else f"{plan.name}:{path}"


def resizing_of(plan: DataPlan) -> Resizing:
    """Return how a plan resizes pictures; those of a data set that does not are as they are. Raises PlanError."""
    return resizing.parse(str(plan.options.get("resize", "crop"))) if plan.name in RESIZED else CROP


def kept_options(before: Mapping[str, Any], data: str) -> dict[str, Any]:
    """Return the keys of a [data] table that stay when the data set of this name takes its place."""
    if before.get("name") == data:
        return {key: value for key, value in before.items() if key != "path"}
    if before.get("name") in NAMES and data in NAMES:
        return {key: value for key, value in before.items() if key in SHARED}
    return {}


def files(place: Path, data: str) -> list[Path]:
    """Return the files at a path that a data set reads, sorted: the path itself if it is a file.

    Raises:
        DataError: There is no such path, or a folder cannot be read.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        problem = "is no file" if place.exists() else "does not exist"
        raise DataError(f"{place} {problem}.", nearest_path(place, Path.exists, "name a file, or a folder"))
    kind = next(kind for kind in KINDS if kind.data == data)
    folders = [place, *(below for below in _subfolders(place) if below.name.casefold() in (*ROLES, "data"))]
    try:
        listed = [path for folder in folders for path in sorted(folder.iterdir())]
    except OSError as error:
        raise DataError(f"Cannot read {place}: {error.strerror}.") from error
    return [path for path in listed if any(map(path.match, kind.patterns)) and path.is_file() and _is_shown(path)]


def _at_folder(folder: Path) -> str:
    """Return the data set that reads a folder. Raises DataError if there are several."""
    kinds = {
        kind.data: f"{kind.words} ({present[0].name})" for kind in KINDS if (present := _recognised(folder, kind.data))
    }
    if len(kinds) == 1 and "hf-folder" in kinds:  # its pictures lie in folders as well
        return "hf-folder"
    if not kinds:
        return FOLDER
    if any(map(_has_pictures, _class_folders(folder))):
        kinds = {FOLDER: "class folders", **kinds}
    if len(kinds) > 1:
        *words, last = kinds.values()
        raise DataError(
            f"{folder} holds {', '.join(words)} and {last}: any of them could be the pictures.",
            f"name one: {' or '.join(f'--data {name}:{folder}' for name in kinds)}",
        )
    return next(iter(kinds))


def _recognised(folder: Path, data: str) -> list[Path]:
    """Return the files by which a folder is a data set's; a table counts if it has the column that makes it one."""
    paths = files(folder, data)
    return [path for path in paths if data != "hf-folder" or _has_file_names(path)]


def _has_file_names(table: Path) -> bool:
    try:
        with table.open("rb") as stream:
            return b"file_name" in stream.read(HEAD_BYTES).partition(b"\n")[0]
    except OSError:
        return False


def _class_folders(folder: Path) -> Iterator[Path]:
    """Yield the folders that would be classes of a folder, or of its splits."""
    for below in _subfolders(folder):
        if below.name.casefold() in ROLES:
            yield from _subfolders(below)
        yield below


def _has_pictures(folder: Path) -> bool:
    try:
        types = (IMAGE_TYPES.guess_type(path.name, strict=False)[0] or "" for path in folder.iterdir())
        return any(kind.startswith("image/") for kind in types)
    except OSError:
        return False


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and _is_shown(path))
    except OSError as error:
        raise DataError(f"Cannot read {folder}: {error.strerror}.") from error


def _is_shown(path: Path) -> bool:
    return not path.name.startswith(".")


def _absolute(path: Path) -> Path:
    """Return the absolute path; a link to a file stays one, for what is named in it is named from where the link is."""
    is_folder = path.is_dir() or path.name in ("", "..")
    return path.resolve() if is_folder else path.parent.resolve() / path.name
