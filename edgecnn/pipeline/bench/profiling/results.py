"""What a profile holds: each operator's cost, threads, and what follows; described by bench/profile.schema.json."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgecnn.common import config, documents, files
from edgecnn.errors import UsageError
from edgecnn.onboard.job import Unit
from edgecnn.records import environment
from edgecnn.records.environment import Environment
from edgecnn.records.report import Failure, Validity

SCHEMA_VERSION = 1
KIND = documents.Kind(
    name="profile",
    words="a profile of `edgecnn bench --profile`",
    error=UsageError,
    hint="`edgecnn bench --profile` writes one",
)

Method = Literal["prefixes", "own profile", "not available"]
"""How operators were told apart: prefixes of the executed graph, the runtime's own profiler, or not."""

AdviceKind = Literal[
    "behind-its-macs",
    "depthwise",
    "stem",
    "transposes",
    "coders",
    "float-operators",
    "between-layers",
    "call",
    "int8-slower-than-fp32",
    "threads",
    "nothing",
]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A median over rounds and its interval, in the unit of the profile it stands in."""

    p50: float
    low: float
    high: float

    @property
    def is_told(self) -> bool:
        """False when the interval contains 0: the cost is below what these rounds can tell."""
        return self.low > 0


@dataclass(frozen=True, kw_only=True)
class Row:
    """One operator as it is executed; several where the runtime runs them as one, so that only their sum has a cost."""

    place: int
    """Of the first, in execution order, from 1."""
    names: tuple[str, ...]
    operators: tuple[str, ...]
    """As the runtime calls them."""
    kinds: tuple[str, ...]
    kind: str
    """Of the one with most MACs, or else bytes."""
    label: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    channels: tuple[int, int] | None
    """(in, out) where there are weights."""
    stride: int
    is_float: bool
    macs: int
    bytes: int
    """Moved once each: activations in and out, and constants."""
    cost: Cost
    share_percent: float
    """Of the sum of all operators and the call."""
    macs_percent: float
    macs_per_unit: float | None
    """MACs for each unit of cost; None without MACs, or where the cost cannot be told."""
    of_best_percent: float | None
    """Of the file's best operator of its family (`edgecnn.pipeline.bench.profiling.rows.FAMILIES`)."""
    samples: tuple[float, ...]
    """One a round."""


@dataclass(frozen=True, kw_only=True)
class Total:
    """All operators of one sort in the file."""

    operators: int
    cost: Cost
    """Of those that have a row of their own, summed round by round."""


@dataclass(frozen=True, kw_only=True)
class Threads:
    """The whole file on so many threads, in ms."""

    num_threads: int
    p50_ms: float
    low_ms: float
    high_ms: float
    medians_ms: tuple[float, ...]
    """One a round."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One sentence computed from the numbers."""

    kind: AdviceKind
    sentence: str
    saves: float | None = None
    """What it would save, in the profile's unit, where that can be said."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One file on one runtime."""

    file: str
    run: str | None
    sha256: str
    format: str
    precision: str
    target: str | None
    input_dtype: str
    runtime: str
    runtime_version: str
    num_threads: int
    method: Method
    reason: str
    """Why this method, or why none."""
    unit: Unit
    rounds: int
    """Fresh processes behind each cost."""
    runs: int
    """Turns in each of them, or runs under the runtime's own profiler."""
    whole: Cost
    """The file as it is."""
    sum: Cost
    """The call and all operators, summed round by round."""
    off_percent: Cost
    """By how much the sum is off the whole, in percent of it, round by round."""
    own_sum: float | None
    """What the runtime's own profiler makes of the same runs, in ms."""
    call: Cost | None
    """Of an empty graph."""
    rows: tuple[Row, ...]
    moves: Total
    """Transposes and reorders."""
    coders: Total
    """Quantise and dequantise operators that run as operators of their own."""
    threads: tuple[Threads, ...]
    knee: int | None
    """The number of threads beyond which no more is won."""
    validity: Validity
    advice: tuple[Advice, ...]


@dataclass(frozen=True, kw_only=True)
class ProfileReport:
    """All profiles of one bench."""

    board: str
    date: str
    """UTC, ISO 8601."""
    command: str
    """What to type to have it again."""
    environment: Environment
    suite: Mapping[str, Any]
    profiles: tuple[Profile, ...]
    failures: tuple[Failure, ...]


def to_table(report: ProfileReport) -> dict[str, Any]:
    """The report as JSON takes it."""
    table = dataclasses.asdict(report)
    table["environment"] = environment.to_table(report.environment)
    return {"schema_version": SCHEMA_VERSION, **table}


def to_json(report: ProfileReport) -> str:
    return documents.to_file(to_table(report), Path("the profile"))


def write(report: ProfileReport, path: Path) -> None:
    """Write the report as JSON, atomically. Raises OutputError."""
    files.write_text(path, to_json(report))


def read(path: Path) -> ProfileReport:
    """The report `write` wrote. Raises UsageError if the file is something else."""
    with KIND.expected(path):
        table = documents.versioned(path, SCHEMA_VERSION)
        machine = environment.from_table(table.get("environment"))
        return config.build(ProfileReport, {**table, "environment": machine}, path.name)
