"""Reads a device's answers: a CSV file of picture, class and optional score, or the runner's lines of JSON."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import documents
from edgecnn.common.documents import Unreadable
from edgecnn.data import Picture
from edgecnn.errors import DataError, nearest
from edgecnn.records.labels import plain

HEADS = {"picture", "file", "filename", "image", "name", "path"}
"""First words of a line that is a head, not an answer."""
LARGEST_BYTES = 64 << 20


@dataclass(frozen=True)
class LoggedAnswers:
    """A device's answers to images."""

    pictures: tuple[Picture, ...]
    called: npt.NDArray[np.int64]
    """(N,) the answered classes, numbered as the file's labels."""
    scores: npt.NDArray[np.float64] | None
    """(N,) the softmax of the answered class; None unless all lines have a score from 0 to 1."""


def read(path: Path, pictures: Sequence[Picture], classes: Sequence[str]) -> LoggedAnswers:
    """Read a log and match each answer with its image, by the end of its path or else by its file name.

    Args:
        path: The log.
        pictures: The images.
        classes: Names of the classes; the log may have indices instead.

    Raises:
        DataError: If a line cannot be used; it names the line.
    """
    rows = _rows(path)
    index_of = {plain(name): index for index, name in enumerate(classes)}
    answered: list[Picture] = []
    called, scores = [], []
    for line_number, (name, label, score) in rows:
        matches = [picture for picture in pictures if _ends(picture, name)] or [
            picture for picture in pictures if Path(str(picture)).name == Path(name).name
        ]
        if len(matches) != 1:
            problem = "is not among the pictures" if not matches else f"could be any of {len(matches)} pictures"
            raise DataError(
                f"{path}, line {line_number}: {name!r} {problem}.", "name them as they lie below --pictures"
            )
        if plain(label) in index_of:
            called.append(index_of[plain(label)])
        elif label.isdigit() and int(label) < len(classes):
            called.append(int(label))
        else:
            raise DataError(f"{path}, line {line_number}: there is no class {label!r}.", nearest(label, classes))
        answered.append(matches[0])
        scores.append(score)
    values = np.array(scores)
    usable = len(values) > 0 and bool(np.isfinite(values).all()) and 0 <= values.min() <= values.max() <= 1
    return LoggedAnswers(tuple(answered), np.array(called, np.int64), values if usable else None)


def _rows(path: Path) -> list[tuple[int, tuple[str, str, float]]]:
    """Return (line number, (picture, class, score)) for every answer; NaN for a missing score."""
    try:
        text = documents.content(path, LARGEST_BYTES).decode("utf-8-sig")
    except (Unreadable, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read {path}: {error}.", "a CSV file: picture,class,score") from error
    lines = [(line_number, line) for line_number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise DataError(f"{path} holds no answers.", "a CSV file: picture,class,score")
    rows = [
        (line_number, _json(line) if line.lstrip().startswith("{") else _fields(line)) for line_number, line in lines
    ]
    if rows[0][1] and rows[0][1][0].lower() in HEADS:
        rows = rows[1:]
    result = []
    for line_number, row in rows:
        if len(row) < 2:
            raise DataError(f"{path}, line {line_number} is no answer.", "write picture,class or picture,class,score")
        result.append((line_number, (row[0], row[1], _score(row[2]) if len(row) > 2 else math.nan)))
    return result


def _fields(line: str) -> list[str]:
    delimiter = next((mark for mark in "\t;" if mark in line), ",")
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=delimiter))]
    except csv.Error:
        return []


def _json(line: str) -> list[str]:
    try:
        table = documents.table(line)
        return [str(table["picture"]), str(table["label"]), str(table.get("score", ""))]
    except (ValueError, KeyError, TypeError):
        return []


def _score(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _ends(picture: Picture, name: str) -> bool:
    parts = Path(name).parts
    return bool(parts) and Path(str(picture)).parts[-len(parts) :] == parts
