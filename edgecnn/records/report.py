"""A bench's Report: what was measured, with everything needed to judge it.

A Window is one fresh process that timed a file, a Count one that counted its instructions. A Measurement is one file on
one runtime: its windows, counts, accuracy, end-to-end time and summary. A Report has the measurements of one board and
one suite. An emulated board keeps no time, so its JSON lacks the fields in TIMES. The schema is in
bench/report.schema.json.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgecnn.common import config, documents, files
from edgecnn.errors import UsageError
from edgecnn.records import environment
from edgecnn.records.environment import Environment
from edgecnn.records.gates import Gate
from edgecnn.records.measurement import TIMES, Measurement

SCHEMA_VERSION = 1
KIND = documents.Kind(
    name="report",
    words="a report of `edgecnn bench`",
    error=UsageError,
    hint="`edgecnn bench` writes one",
)

WarningKind = Literal[
    "unstable",
    "loaded-machine",
    "frequency-changed",
    "few-rounds",
    "few-samples",
    "int8-slower-than-fp32",
    "one-class",
    "assumed-preprocessing",
    "differs-from-export",
]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A file that could not be measured on a runtime."""

    file: str
    runtime: str
    sentence: str
    hint: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReportWarning:
    """A limit to what the numbers say, with the numbers that show it."""

    kind: WarningKind
    file: str | None
    """None if it concerns the whole report."""
    runtime: str | None
    sentence: str
    numbers: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All measurements of one bench."""

    board: str
    date: str
    """UTC, in ISO 8601."""
    command: str
    """The command that repeats it."""
    environment: Environment
    suite: Mapping[str, Any]
    """The suite as it was used, every key."""
    measurements: tuple[Measurement, ...]
    failures: tuple[Failure, ...]
    warnings: tuple[ReportWarning, ...]
    gates: tuple[Gate, ...] = ()
    """Outcomes of the suite's gates, one for each file and runtime that a gate applies to."""
    path: Path | None = None
    """The JSON file that holds it, None if there is none; it is not part of the JSON."""

    def _repr_html_(self) -> str:
        """Return the measurements as a table, for a notebook: by name, so that no board is sent what writes it."""
        return str(importlib.import_module("edgecnn.records.notebook").html(self))


def to_table(report: Report) -> dict[str, Any]:
    """Return the report as JSON tables."""
    table = dataclasses.asdict(report)
    del table["path"]
    table["environment"] = environment.to_table(report.environment)
    table["measurements"] = [
        row if measurement.is_timed else _without_times(row)
        for measurement, row in zip(report.measurements, table["measurements"], strict=True)
    ]
    return {"schema_version": SCHEMA_VERSION, **table}


def to_json(report: Report) -> str:
    """Return the report as JSON text, with each list of numbers on one line."""
    text = documents.to_file(to_table(report), Path("the report"))
    # A line break cannot stand inside a JSON string, so only lists are matched.
    return re.sub(r"\[\n[-+0-9.eE,\s]+\]", lambda match: " ".join(match[0].split()), text)


def write(report: Report, path: Path) -> None:
    """Write the report as JSON, atomically."""
    files.write_text(path, to_json(report))


def read(path: Path) -> Report:
    """Read a report that `write` wrote; raise UsageError for anything else."""
    with KIND.expected(path):
        table = documents.versioned(path, SCHEMA_VERSION)
        return dataclasses.replace(from_table(table, path.name), path=path)


def from_table(table: Mapping[str, Any], source: str = "a report") -> Report:
    """Build a report from what `to_table` returned."""
    fields = {key: value for key, value in table.items() if key not in ("schema_version", "path")}
    return config.build(Report, {**fields, "environment": environment.from_table(table.get("environment"))}, source)


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if key not in TIMES}
    return value
