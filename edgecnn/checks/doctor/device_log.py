"""What a device answered: a CSV file of picture, class and optionally score, or the runner's own lines of JSON."""

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
from edgecnn.errors import DataError, nearest
from edgecnn.records.labels import plain

HEADS = {"picture", "file", "filename", "image", "name", "path"}
LARGEST_BYTES = 64 << 20


@dataclass(frozen=True)
class Answers:
    """A device's answers to pictures of a folder."""

    paths: tuple[Path, ...]
    called: npt.NDArray[np.int64]
    """(N,) the class, by the file's labels."""
    scores: npt.NDArray[np.float64] | None
    """(N,) the softmax of that class; None if the log has none, or numbers that are none."""


def read(path: Path, pictures: Sequence[Path], classes: Sequence[str]) -> Answers:
    """The log's answers, each with its picture, which is found by its path's end or its bare name.

    Classes are names, or numbers where no class has that name. Raises DataError that names the line.
    """
    rows = _rows(path)
    place = {plain(name): number for number, name in enumerate(classes)}
    found: list[Path] = []
    called, scores = [], []
    for number, (name, label, score) in rows:
        fits = [one for one in pictures if _ends(one, name)] or [one for one in pictures if one.name == Path(name).name]
        if len(fits) != 1:
            problem = "is not among the pictures" if not fits else f"could be any of {len(fits)} pictures"
            raise DataError(f"{path}, line {number}: {name!r} {problem}.", "name them as they lie below --pictures")
        if plain(label) in place:
            called.append(place[plain(label)])
        elif label.isdigit() and int(label) < len(classes):
            called.append(int(label))
        else:
            raise DataError(f"{path}, line {number}: there is no class {label!r}.", nearest(label, classes))
        found.append(fits[0])
        scores.append(score)
    values = np.array(scores)
    usable = len(values) > 0 and bool(np.isfinite(values).all()) and 0 <= values.min() <= values.max() <= 1
    return Answers(tuple(found), np.array(called, np.int64), values if usable else None)


def _rows(path: Path) -> list[tuple[int, tuple[str, str, float]]]:
    """(line number, (picture, class, score)) of every line; NaN for a score that is not there."""
    try:
        text = documents.content(path, LARGEST_BYTES).decode("utf-8-sig")
    except (Unreadable, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read {path}: {error}.", "a CSV file: picture,class,score") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise DataError(f"{path} holds no answers.", "a CSV file: picture,class,score")
    rows = [(number, _json(line) if line.lstrip().startswith("{") else _fields(line)) for number, line in lines]
    if rows[0][1] and rows[0][1][0].lower() in HEADS:
        rows = rows[1:]
    result = []
    for number, row in rows:
        if len(row) < 2:
            raise DataError(f"{path}, line {number} is no answer.", "write picture,class or picture,class,score")
        result.append((number, (row[0], row[1], _score(row[2]) if len(row) > 2 else math.nan)))
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


def _ends(picture: Path, name: str) -> bool:
    parts = Path(name).parts
    return bool(parts) and picture.parts[-len(parts) :] == parts
