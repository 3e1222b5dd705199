"""What was measured, with everything needed to judge it; its JSON is described by bench/report.schema.json.

A Window is one fresh process that timed one file. A Measurement is one file on one runtime: all its
windows, its accuracy, its end-to-end time and their summary. A Report is the measurements of one
board and one suite.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgecnn import config, environment, files
from edgecnn.artifact import Verdict
from edgecnn.environment import Condition, Environment
from edgecnn.errors import PlanError, UsageError

SCHEMA_VERSION = 1

WarningKind = Literal[
    "unstable",
    "loaded-machine",
    "frequency-changed",
    "few-rounds",
    "few-samples",
    "int8-slower-than-fp32",
    "one-class",
    "assumed-preprocessing",
]


@dataclass(frozen=True, kw_only=True)
class Window:
    """One process: the file loaded once, run first, warmed up, then timed."""

    import_ms: float
    """Importing the engine, NumPy being there already; no model is involved."""
    init_ms: float
    """From the file's path to a session that is ready."""
    first_ms: float
    """The first inference."""
    times_ms: tuple[float, ...]
    """Every steady inference in order: the graph alone, its input already in place."""
    baseline_rss_bytes: int
    """Resident set size with the engine imported, before the file is loaded."""
    peak_rss_bytes: int
    """Largest resident set size from then to the end of the window."""
    process_cpu_s: float
    """CPU time of this process over the timed part, of all its threads."""
    elapsed_s: float
    """Wall time of the timed part."""
    before: Condition
    after: Condition


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Top-1 on labelled test pictures, one at a time."""

    correct: int
    n: int
    classes_predicted: int
    """Different classes among the answers; 1 is a model that does not look at the picture."""
    outputs_sha256: str
    """Of all raw output tensors in order: equal on two machines when every bit is."""
    elapsed_s: float
    """From raw pixels to the last answer, all steps."""


@dataclass(frozen=True, kw_only=True)
class EndToEnd:
    """An application's whole way: encoded bytes in memory -> decoded, resized, encoded, run -> class."""

    picture: str
    """What one picture is: size and encoding."""
    pictures: int
    """Different pictures, taken in turn."""
    times_ms: tuple[float, ...]
    decode_ms: tuple[float, ...]
    """The part of each that decoding and resizing took."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The few numbers of a Measurement; `edgecnn.summary` says how each comes about."""

    rounds: int
    samples: int
    p50_ms: float
    p50_low_ms: float
    p50_high_ms: float
    p50_interval_percent: float
    """What the interval holds the median with."""
    p90_ms: float
    p99_ms: float
    import_ms: float
    init_ms: float
    first_ms: float
    peak_rss_bytes: int
    """Less the baseline."""
    top1_percent: float | None = None
    top1_low_percent: float | None = None
    top1_high_percent: float | None = None
    top1_n: int | None = None
    end_to_end_p50_ms: float | None = None
    end_to_end_decode_p50_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class Validity:
    """Whether the machine was fit while it measured (`edgecnn.validity`)."""

    verdict: Literal["VALID", "DEGRADED", "INVALID"] = "VALID"
    reasons: tuple[str, ...] = ()
    """As in "under-voltage in window 3"."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One file on one runtime."""

    file: str
    run: str | None
    """The run it came from; None for a file made elsewhere."""
    sha256: str
    format: str
    precision: str
    bytes: int
    planned_activation_peak_bytes: int
    parameters: int
    macs: int | None
    runtime: str
    runtime_version: str
    num_threads: int
    preprocessing_assumed: bool
    """True when no card says what the input takes: raw pixel values were fed."""
    verdict: Verdict | None
    """The outcome of its check against the run, from its card."""
    summary: Summary
    accuracy: Accuracy | None
    end_to_end: EndToEnd | None
    windows: tuple[Window, ...]
    validity: Validity = Validity()


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A file that could not be measured on a runtime."""

    file: str
    runtime: str
    sentence: str
    hint: str | None = None


@dataclass(frozen=True, kw_only=True)
class Warning:
    """Something that limits what the numbers say, with the numbers that show it."""

    kind: WarningKind
    file: str | None
    """None when it concerns the whole report."""
    runtime: str | None
    sentence: str
    numbers: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All measurements of one bench."""

    board: str
    date: str
    """UTC, ISO 8601."""
    command: str
    """What to type to have it again."""
    environment: Environment
    suite: Mapping[str, Any]
    """The suite as it was used, every key."""
    measurements: tuple[Measurement, ...]
    failures: tuple[Failure, ...]
    warnings: tuple[Warning, ...]


def to_table(report: Report) -> dict[str, Any]:
    """The report as JSON takes it."""
    table = dataclasses.asdict(report)
    table["environment"] = environment.to_table(report.environment)
    return {"schema_version": SCHEMA_VERSION, **table}


def to_json(report: Report) -> str:
    """The report as text: a key a line, and each list of numbers on one line."""
    text = json.dumps(to_table(report), indent=1, allow_nan=False)
    # A line break cannot stand inside a JSON string, so only lists are matched.
    return re.sub(r"\[\n[-+0-9.eE,\s]+\]", lambda match: " ".join(match[0].split()), text) + "\n"


def write(report: Report, path: Path) -> None:
    """Write the report as JSON, atomically. Raises OutputError."""
    files.write_text(path, to_json(report))


def read(path: Path) -> Report:
    """The report `write` wrote. Raises UsageError if the file is something else."""
    try:
        table = json.loads(path.read_text())
        version = table.pop("schema_version")
        if version != SCHEMA_VERSION:
            raise UsageError(f"{path} has schema version {version}; this tool reads {SCHEMA_VERSION}.")
        table["environment"].pop("fingerprint")
        return config.build(Report, table, path.name)
    except FileNotFoundError as error:
        raise UsageError(f"There is no report {path}.", "`edgecnn bench` writes one") from error
    except (OSError, ValueError, KeyError, AttributeError, TypeError, PlanError) as error:
        raise UsageError(f"{path} is not a report of `edgecnn bench`: {error}.") from error
