"""The record of an evaluation, stored as evaluation.json: what `edgecnn eval` writes and `edgecnn report` reads."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.common import config, documents, files
from edgecnn.common.stats import Proportion
from edgecnn.errors import UsageError
from edgecnn.records import environment, notebook
from edgecnn.records.environment import Environment

FOLDER = "evaluation"
"""Name of the folder of an evaluation within its run."""
FILE = "evaluation.json"
SCHEMA_VERSION = 1
KIND = documents.Kind(
    name="evaluation", words="an evaluation of `edgecnn eval`", error=UsageError, hint="`edgecnn eval` writes one"
)


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """The recall and precision of a file on one class."""

    label: str
    recall: Proportion | None
    """The share of the class's pictures that are called so; None if the test split has none."""
    precision: Proportion | None
    """The share of the pictures called so that are of the class; None if none is."""


@dataclass(frozen=True, kw_only=True)
class WrongAnswer:
    """A picture that a file calls by a wrong name."""

    picture: str
    """The path of its file, or its number among the pictures that were shown, as in "#17"."""
    index: int
    """Its place among the pictures that were shown."""
    truth: str
    answer: str
    score: float
    """The answer's share of the softmax."""
    true_score: float
    """The true class's."""


@dataclass(frozen=True, kw_only=True)
class FileScore:
    """The accuracy of one file, with its calibration."""

    file: str
    sha256: str
    format: str
    precision: str
    runtime: str
    runtime_version: str
    n: int
    """Test pictures."""
    top1: Proportion
    top5: Proportion | None
    """None where there are five classes or fewer, or the file puts out no scores."""
    calibration_error_pp: float | None
    """How far the scores are from the shares of right answers (`calibration_error.expected_pp`)."""
    calibration_error_low_pp: float | None
    calibration_error_high_pp: float | None
    """Ends of the 95 % interval, by the bootstrap."""
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Pictures by [true class][answer]."""
    mistakes: tuple[WrongAnswer, ...]
    """The worst ones, those with the surest wrong answers first."""
    correct_bits: str = ""
    """Which pictures it calls by their right name, a bit a picture (`packed`); empty in an early record."""
    balanced_percent: float | None = None
    """The mean recall of all classes that have pictures (`balanced_accuracy`); None in an early record."""
    balanced_low_percent: float | None = None
    balanced_high_percent: float | None = None
    """Ends of its 95 % interval."""
    pictures_sha256: str = ""
    """Digest of the pictures' names (pixels, where they have none) and true classes; two files with the same one were
    shown the same pictures in the same order. Empty in an early record."""

    def __post_init__(self) -> None:
        count = len(self.classes)
        if len(self.confusion) != count or any(len(row) != count for row in self.confusion):
            raise ValueError(f"the confusions of {self.file} are no square of its {count} classes")
        if any(cell < 0 for row in self.confusion for cell in row) or self.n != self.top1.n:
            raise ValueError(f"the confusions of {self.file} do not count its {self.n} pictures")


def balanced_accuracy(classes: Sequence[ClassScore]) -> tuple[float, float, float]:
    """Return the mean recall of the classes that have pictures, and its 95 % interval, in percent.

    Classes are samples of their own, so how far the mean may be off follows from the ends of their Wilson intervals, by
    squaring and adding (R. G. Newcombe, 1998, Stat. Med. 17:873; G. Y. Zou and A. Donner, 2008, Stat. Med. 27:1693).
    """
    recalls = [scored.recall for scored in classes if scored.recall]
    mean = sum(recall.percent for recall in recalls) / len(recalls)
    below = math.hypot(*(recall.percent - recall.low_percent for recall in recalls)) / len(recalls)
    above = math.hypot(*(recall.high_percent - recall.percent for recall in recalls)) / len(recalls)
    return mean, mean - below, mean + above


@dataclass(frozen=True, kw_only=True)
class ClassChange:
    """The change that int8 makes to the recall of one class."""

    label: str
    n: int
    recall_change_pp: float
    """In percentage points, negative if int8 recalls less."""
    low_pp: float
    high_pp: float
    """Ends of the paired 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """The changes that int8 makes against the float file of the same format, class by class."""

    float_file: str
    int8_file: str
    classes: tuple[ClassChange, ...]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The accuracy of all files of a target on one machine."""

    command: str
    """The command that repeats it."""
    date: str
    """UTC, in ISO 8601."""
    data: str
    environment: Environment
    files: tuple[FileScore, ...]
    roundings: tuple[Rounding, ...]
    folder: Path | None = None
    """Where evaluation.json and the pictures lie, None if nothing was written; it is not part of the JSON."""

    def _repr_html_(self) -> str:
        """Return the evaluation as tables, for a notebook."""
        return notebook.html(self)


def to_table(evaluation: Evaluation) -> dict[str, Any]:
    """Return the evaluation as a table for JSON."""
    table = dataclasses.asdict(evaluation)
    del table["folder"]
    table["environment"] = environment.to_table(evaluation.environment)
    return {"schema_version": SCHEMA_VERSION, **table}


def write(evaluation: Evaluation, folder: Path) -> None:
    """Write evaluation.json, atomically.

    Raises:
        OutputError: It cannot be written.
    """
    files.write_json(folder / FILE, to_table(evaluation))


def read(path: Path) -> Evaluation:
    """Read an evaluation from its folder or its JSON file.

    Raises:
        UsageError: There is none, or the file is something else.
    """
    file = path / FILE if path.is_dir() else path
    with KIND.expected(file):
        table = documents.versioned(file, SCHEMA_VERSION)
        machine = environment.from_table(table.get("environment"))
        evaluation = config.build(Evaluation, {**table, "environment": machine, "folder": file.parent}, file.name)
        if not evaluation.files:
            raise documents.Unreadable("it has no file")
        return evaluation


def packed(correct: Sequence[bool] | npt.NDArray[np.bool_]) -> str:
    """Return one bit a picture, the first one highest in its byte, as Base64."""
    return base64.b64encode(np.packbits(np.asarray(correct, dtype=bool)).tobytes()).decode("ascii")


def correct(file: FileScore) -> npt.NDArray[np.bool_] | None:
    """Return which pictures a file calls by their right name, bool (n,); None if the record does not say."""
    try:
        data = base64.b64decode(file.correct_bits, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(data) != -(-file.n // 8):
        return None
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=file.n).astype(bool)
    return bits if int(bits.sum()) == file.top1.successes else None


def shown(evaluation: Evaluation) -> FileScore:
    """Return the file whose classes are told in full: what `edgecnn deploy` would take, or the first of all."""
    int8 = [file for file in evaluation.files if file.precision.startswith("int8")]
    return next((file for file in int8 if file.format == "tflite"), (int8 or evaluation.files)[0])
