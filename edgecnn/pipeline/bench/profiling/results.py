"""The record of a profile: the cost of each operator, threads, advice; bench/profile.schema.json is its schema."""

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
from edgecnn.records.measurement import Validity
from edgecnn.records.report import Failure

SCHEMA_VERSION = 1
KIND = documents.Kind(
    name="profile",
    words="a profile of `edgecnn bench --profile`",
    error=UsageError,
    hint="`edgecnn bench --profile` writes one",
)

Method = Literal["prefixes", "own profile", "not available"]
"""How operators are told apart: by prefixes of the executed graph, by the runtime's own profiler, or not at all."""

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
class OperatorCost:
    """The median over rounds and its interval, in the unit of the profile."""

    p50: float
    low: float
    high: float

    @property
    def is_told(self) -> bool:
        """True if the interval is above 0; otherwise the cost is too small for these rounds to tell."""
        return self.low > 0


@dataclass(frozen=True, kw_only=True)
class ProfileRow:
    """One operator as it is executed, or several that the runtime runs as one, so that only their sum has a cost."""

    place: int
    """Position of the first operator in execution order, from 1."""
    names: tuple[str, ...]
    operators: tuple[str, ...]
    """The operators' types, as the runtime names them."""
    kinds: tuple[str, ...]
    kind: str
    """Kind of the operator with the most MACs, or else bytes."""
    label: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    channels: tuple[int, int] | None
    """Channels (in, out); None without weights."""
    stride: int
    is_float: bool
    macs: int
    bytes: int
    """Bytes of the activations in and out and of the constants, each counted once."""
    cost: OperatorCost
    share_percent: float
    """Share of the sum of all operators and the call."""
    macs_percent: float
    """Share of the file's MACs."""
    macs_per_unit: float | None
    """MACs per ms or per instruction; None without MACs, or where the cost cannot be told."""
    of_best_percent: float | None
    """Rate in percent of the best in the family (`edgecnn.pipeline.bench.profiling.rows.FAMILIES`)."""
    samples: tuple[float, ...]
    """One cost per round."""


@dataclass(frozen=True, kw_only=True)
class Total:
    """All operators of some kinds in a file."""

    operators: int
    cost: OperatorCost
    """Cost of the rows that hold no other kinds, summed round by round."""


@dataclass(frozen=True, kw_only=True)
class Threads:
    """Latency of the whole file on a number of threads."""

    num_threads: int
    p50_ms: float
    low_ms: float
    high_ms: float
    medians_ms: tuple[float, ...]
    """One median per round."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One sentence of advice, computed from the numbers."""

    kind: AdviceKind
    sentence: str
    saves: float | None = None
    """The saving in the profile's unit; None if it cannot be computed."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The profile of one file on one runtime."""

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
    """Why this method was chosen, or why there is none."""
    unit: Unit
    rounds: int
    """Number of fresh processes behind each cost."""
    runs: int
    """Turns in each process, or runs under the runtime's own profiler."""
    whole: OperatorCost
    """Cost of the whole file, measured uncut."""
    sum: OperatorCost
    """Cost of the call and all operators, summed round by round."""
    off_percent: OperatorCost
    """How far the sum is off the whole, in percent of the whole, by round."""
    own_sum: float | None
    """Sum of the operators' times by the runtime's own profiler, in ms."""
    call: OperatorCost | None
    """Cost of calling an empty graph; None if it was not measured."""
    rows: tuple[ProfileRow, ...]
    moves: Total
    """All transposes and reorders."""
    coders: Total
    """All quantize and dequantize operators that run by themselves."""
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
    """UTC, in ISO 8601."""
    command: str
    """The command line that repeats it."""
    environment: Environment
    suite: Mapping[str, Any]
    profiles: tuple[Profile, ...]
    failures: tuple[Failure, ...]
    path: Path | None = None
    """The JSON file that holds it, None if there is none; it is not part of the JSON."""


def to_table(report: ProfileReport) -> dict[str, Any]:
    """Return the report as a table for JSON."""
    table = dataclasses.asdict(report)
    del table["path"]
    table["environment"] = environment.to_table(report.environment)
    return {"schema_version": SCHEMA_VERSION, **table}


def to_json(report: ProfileReport) -> str:
    return documents.to_file(to_table(report), Path("the profile"))


def write(report: ProfileReport, path: Path) -> None:
    """Write the report as JSON, atomically.

    Raises:
        OutputError: If the file cannot be written.
    """
    files.write_text(path, to_json(report))


def read(path: Path) -> ProfileReport:
    """Read a report that `write` wrote.

    Raises:
        UsageError: If the file is something else.
    """
    with KIND.expected(path):
        table = documents.versioned(path, SCHEMA_VERSION)
        machine = environment.from_table(table.get("environment"))
        return config.build(ProfileReport, {**table, "environment": machine, "path": path}, path.name)
