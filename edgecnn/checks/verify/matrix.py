"""What a verification found, as parity.json holds it: every answer, and how any two of them compare."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.checks.verify.layers import Layer, Tolerance
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
    """What one file on one runtime on one machine said to all pictures, or what the run's net did."""

    name: str
    """Unique in its matrix: the file, with its runtime and board where there are several."""
    file: str
    """The run's name, for its net."""
    sha256: str
    precision: str
    runtime: str
    runtime_version: str
    board: str
    correct: int
    top1_percent: float
    top1_low_percent: float
    top1_high_percent: float
    """95 % Wilson interval."""
    degenerate: str | None
    """Why the answers are worthless: no numbers, or one class for every picture."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two answers to the same pictures, the second held against the first."""

    before: str
    """Name of the Answer."""
    after: str
    identical: bool
    """Every output value is the same bit for bit; of int8 and uint8, the same step."""
    verdict: Verdict
    """Drop with its paired interval, exact McNemar test, agreement, largest difference of two logits."""
    parity: Parity | None
    """In steps of the output scale; None if the two do not share one."""
    searched: bool
    """Whether layers were compared: the two should be equal and differ by more than the tolerance."""
    layer: Layer | None
    """The first that differs; None if none of those that correspond does."""
    sheet: str | None = None
    """The picture of the flips, beside the JSON."""
    cause: str | None = None
    """Why two that should be equal differ, where weights and instruction set tell."""


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """All answers to the same test pictures; the first is the one that others are held against."""

    command: str
    date: str
    """UTC, ISO 8601."""
    data: str
    n: int
    """Test pictures."""
    environments: Mapping[str, Environment]
    """By board."""
    tolerance: Tolerance
    answers: tuple[Answer, ...]
    differences: tuple[Difference, ...]

    def _repr_html_(self) -> str:
        return notebook.html(self)


def to_table(matrix: Matrix) -> dict[str, Any]:
    """As JSON takes it."""
    machines = {name: environment.to_table(machine) for name, machine in matrix.environments.items()}
    return {**dataclasses.asdict(matrix), "environments": machines}


def write(matrix: Matrix, folder: Path) -> None:
    """Write parity.json, atomically. Raises OutputError."""
    files.write_json(folder / FILE, to_table(matrix))


def read(path: Path) -> Matrix:
    """What `write` wrote. Raises UsageError if the file is something else."""
    with KIND.expected(path):
        table = documents.table(path)
        machines = {name: environment.from_table(one) for name, one in documents.part(table, "environments").items()}
        return config.build(Matrix, {**table, "environments": machines}, path.name)
