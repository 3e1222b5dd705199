"""What was measured, with everything needed to judge it; its JSON is described by bench/report.schema.json.

A Window is one fresh process that timed one file, a Count one that counted its instructions. A
Measurement is one file on one runtime: all its windows and counts, its accuracy, its end-to-end time and
their summary. A Report is the measurements of one board and one suite. An emulated board keeps no time,
so what it measured has no field for one (TIMES).
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
from edgecnn.records.artifact import Verdict
from edgecnn.records.environment import Condition, Environment
from edgecnn.records.gates import Gate

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

# fmt: off
TIMES = frozenset({
    "windows", "end_to_end", "validity", "elapsed_s", "rounds", "samples", "p50_ms", "p50_low_ms", "p50_high_ms",
    "p50_interval_percent", "p90_ms", "p99_ms", "import_ms", "init_ms", "first_ms", "end_to_end_p50_ms",
    "end_to_end_decode_p50_ms",
})
# fmt: on
"""Fields of a Measurement, its Summary and its Accuracy that the JSON has only where time was measured."""


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

    def __post_init__(self) -> None:
        if not self.times_ms or min(self.times_ms) <= 0:
            raise ValueError("times_ms should be above 0, and at least one")


@dataclass(frozen=True, kw_only=True)
class Count:
    """One process: the file loaded once, run first, warmed up, then counted."""

    instructions: tuple[int, ...]
    """Of one steady inference, each the mean of a few in a row; in user space, all threads of the runtime."""
    baseline_rss_bytes: int
    """Resident set size with the engine imported, before the file is loaded."""
    peak_rss_bytes: int
    """Largest resident set size from then to the end of the count."""


@dataclass(frozen=True, kw_only=True)
class Golden:
    """The golden vectors run here, against the outputs they had where the file was exported."""

    verdict: Literal["identical", "within", "different"]
    pictures: int
    values: int
    differing: int
    max_lsb: int | None
    """Largest difference of an integer output, in its steps; None for a float one."""
    max_relative: float | None
    """Largest difference of a float output by the largest magnitude; None for an integer one."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Top-1 on labelled test pictures, one at a time."""

    correct: int
    n: int
    classes_predicted: int
    """Different classes among the answers; 1 is a model that does not look at the picture."""
    outputs_sha256: str
    """Of all raw output tensors in order: equal on two machines when every bit is."""
    elapsed_s: float | None = None
    """From raw pixels to the last answer, all steps."""

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.n or not self.n:
            raise ValueError(f"{self.correct} of {self.n} pictures is no accuracy")


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
    """The few numbers of a Measurement; `edgecnn.records.summary` says how each comes about."""

    rounds: int = 0
    samples: int = 0
    p50_ms: float | None = None
    p50_low_ms: float | None = None
    p50_high_ms: float | None = None
    p50_interval_percent: float | None = None
    """What the interval holds the median with."""
    p90_ms: float | None = None
    p99_ms: float | None = None
    import_ms: float | None = None
    init_ms: float | None = None
    first_ms: float | None = None
    peak_rss_bytes: int | None
    """Less the baseline; None where the emulator's own memory is in it."""
    top1_percent: float | None = None
    top1_low_percent: float | None = None
    top1_high_percent: float | None = None
    top1_n: int | None = None
    end_to_end_p50_ms: float | None = None
    end_to_end_decode_p50_ms: float | None = None
    instructions_p50: float | None = None
    """Of one inference; None where nobody can count."""
    instructions_min: int | None = None
    instructions_max: int | None = None
    instructions_n: int | None = None

    def __post_init__(self) -> None:
        config.require_order(self.p50_low_ms, self.p50_ms, self.p50_high_ms, "p50_ms")
        config.require_order(self.top1_low_percent, self.top1_percent, self.top1_high_percent, "top1_percent")
        config.require_order(self.instructions_min, self.instructions_p50, self.instructions_max, "instructions")
        for name in ("p50_low_ms", "p50_ms", "p90_ms", "p99_ms", "instructions_min"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise ValueError(f"{name} = {value} should be above 0")
        for name in ("top1_low_percent", "top1_high_percent"):
            if (value := getattr(self, name)) is not None and not -1e-9 <= value <= 100 + 1e-9:
                raise ValueError(f"{name} = {value} is no share")


@dataclass(frozen=True, kw_only=True)
class Validity:
    """Whether the machine was fit while it measured (`edgecnn.pipeline.bench.validity`)."""

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
    end_to_end: EndToEnd | None = None
    windows: tuple[Window, ...] = ()
    validity: Validity = Validity()
    counts: tuple[Count, ...] = ()
    target: str | None = None
    """Whose int8 kernels an ONNX file was written for: "any" or "dotprod"."""
    golden: Golden | None = None
    """None for a file without golden vectors."""
    input_shape: tuple[int, ...] = ()
    """Of the input it ran with; () in a report of an earlier version."""

    def __post_init__(self) -> None:
        if self.bytes < 1 or self.num_threads < 1 or min(self.planned_activation_peak_bytes, self.parameters) < 0:
            raise ValueError(f"the bytes, threads, activations or parameters of {self.file} are none of a file")

    @property
    def is_timed(self) -> bool:
        """False for what an emulated board measured."""
        return bool(self.windows)


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
    gates: tuple[Gate, ...] = ()
    """How the suite's gates came out, one for each file and runtime that could be held against it."""

    def _repr_html_(self) -> str:
        """The measurements as a table, for a notebook: by name, so that no board is sent what writes it."""
        return str(importlib.import_module("edgecnn.records.notebook").html(self))


def p50(one: Measurement) -> tuple[float, float, float]:
    """(p50, low, high) in ms of a measurement that is timed."""
    s = one.summary
    assert s.p50_ms is not None
    assert s.p50_low_ms is not None
    assert s.p50_high_ms is not None
    return s.p50_ms, s.p50_low_ms, s.p50_high_ms


def to_table(report: Report) -> dict[str, Any]:
    """The report as JSON takes it."""
    table = dataclasses.asdict(report)
    table["environment"] = environment.to_table(report.environment)
    table["measurements"] = [
        whole if one.is_timed else _without_times(whole)
        for one, whole in zip(report.measurements, table["measurements"], strict=True)
    ]
    return {"schema_version": SCHEMA_VERSION, **table}


def to_json(report: Report) -> str:
    """The report as text: a key a line, and each list of numbers on one line."""
    text = documents.to_file(to_table(report), Path("the report"))
    # A line break cannot stand inside a JSON string, so only lists are matched.
    return re.sub(r"\[\n[-+0-9.eE,\s]+\]", lambda match: " ".join(match[0].split()), text)


def write(report: Report, path: Path) -> None:
    """Write the report as JSON, atomically. Raises OutputError."""
    files.write_text(path, to_json(report))


def read(path: Path) -> Report:
    """The report `write` wrote. Raises UsageError if the file is something else."""
    with KIND.expected(path):
        table = documents.versioned(path, SCHEMA_VERSION)
        return from_table(table, path.name)


def from_table(table: Mapping[str, Any], where: str = "a report") -> Report:
    """The report whose `to_table` this is."""
    fields = {key: value for key, value in table.items() if key != "schema_version"}
    return config.build(Report, {**fields, "environment": environment.from_table(table.get("environment"))}, where)


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if key not in TIMES}
    return value
