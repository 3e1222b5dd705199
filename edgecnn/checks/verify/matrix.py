"""The record of a verification, stored as parity.json: all answers, and how they compare."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.checks.verify.layers import ComparedLayer, Tolerance
from edgecnn.common import config, documents, files
from edgecnn.errors import UsageError
from edgecnn.records import environment, notebook
from edgecnn.records.artifact import Parity, Verdict
from edgecnn.records.environment import Environment

FILE = "parity.json"
KIND = documents.Kind(
    name="parity matrix",
    words="a parity matrix that was measured here",
    error=UsageError,
    hint="`edgecnn verify --output` writes one",
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answers of one file, on one runtime and machine, to all test images; or those of the run's net."""

    name: str
    """A name unique in the matrix: the file, with its runtime and board where there are several."""
    file: str
    """The file's name, or the run's for its net."""
    sha256: str
    precision: str
    runtime: str
    runtime_version: str
    board: str
    correct: int
    top1_percent: float
    top1_low_percent: float
    top1_high_percent: float
    """Upper end of the 95 % Wilson interval."""
    degenerate: str | None
    """Why the answers are worthless (not finite, or one class for all images); None if they are not."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The comparison of one answer (after) with another (before)."""

    before: str
    """Name of the answer compared with."""
    after: str
    identical: bool
    """Whether all outputs are the same bit by bit, or the same step for int8 against uint8."""
    verdict: Verdict
    """The drop with its paired interval and exact McNemar test, agreement, and largest logit difference."""
    parity: Parity | None
    """The difference in steps of the output scale; None if the two do not share a scale."""
    searched: bool
    """Whether layers were compared, because the two should be equal and differ beyond the tolerance."""
    layer: ComparedLayer | None
    """The first layer that differs; None if none was found."""
    sheet: str | None = None
    """File name of the contact sheet of flips, beside the JSON."""
    cause: str | None = None
    """Why the two differ though they should be equal, as far as weights and CPU tell it."""


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """All answers to the same test images; the others are compared with the first."""

    command: str
    date: str
    """UTC, in ISO 8601."""
    data: str
    n: int
    """Number of test images."""
    environments: Mapping[str, Environment]
    """Environment by board."""
    tolerance: Tolerance
    answers: tuple[Answer, ...]
    differences: tuple[Difference, ...]
    folder: Path | None = None
    """Where parity.json and the contact sheets lie, None if nothing was written; it is not part of the JSON."""

    def _repr_html_(self) -> str:
        return notebook.html(self)


def to_table(matrix: Matrix) -> dict[str, Any]:
    """Return the matrix as a table for JSON."""
    machines = {name: environment.to_table(machine) for name, machine in matrix.environments.items()}
    table = dataclasses.asdict(matrix)
    del table["folder"]
    return {**table, "environments": machines}


def write(matrix: Matrix, folder: Path) -> None:
    """Write parity.json, atomically.

    Raises:
        OutputError: If it cannot be written.
    """
    files.write_json(folder / FILE, to_table(matrix))


def read(path: Path) -> Matrix:
    """Read a matrix that `write` wrote.

    Raises:
        UsageError: If the file is something else.
    """
    with KIND.expected(path):
        table = documents.table(path)
        machines = {
            name: environment.from_table(machine) for name, machine in documents.part(table, "environments").items()
        }
        return config.build(Matrix, {**table, "environments": machines, "folder": path.parent}, path.name)
