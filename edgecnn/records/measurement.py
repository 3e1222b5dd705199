"""The measurement of one file on one runtime: every process, and a summary of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgecnn.common import config
from edgecnn.records.artifact import Verdict
from edgecnn.records.environment import Condition

# fmt: off
TIMES = frozenset({
    "windows", "end_to_end", "validity", "elapsed_s", "rounds", "samples", "p50_ms", "p50_low_ms", "p50_high_ms",
    "p50_interval_percent", "p90_ms", "p99_ms", "import_ms", "init_ms", "first_ms", "end_to_end_p50_ms",
    "end_to_end_decode_p50_ms",
})
# fmt: on
"""Fields of a Measurement, its Summary and its Accuracy that the JSON has only if time was measured."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """One process that loaded a file, ran it once, warmed up and then timed it."""

    import_ms: float
    """Importing the engine, with NumPy already imported and no model involved."""
    init_ms: float
    """From the file's path to a session that is ready."""
    first_ms: float
    """The first inference."""
    times_ms: tuple[float, ...]
    """Every steady inference in order: the graph alone, with its input already in place."""
    baseline_rss_bytes: int
    """Resident set size with the engine imported, before the file is loaded."""
    peak_rss_bytes: int
    """The largest resident set size from then to the end of the window."""
    process_cpu_s: float
    """CPU time of all threads of this process over the timed part."""
    elapsed_s: float
    """Wall time of the timed part."""
    before: Condition
    after: Condition

    def __post_init__(self) -> None:
        if not self.times_ms or min(self.times_ms) <= 0:
            raise ValueError("times_ms should be above 0, and at least one")


@dataclass(frozen=True, kw_only=True)
class Count:
    """One process that loaded a file, ran it once, warmed up and then counted its instructions."""

    instructions: tuple[int, ...]
    """User-space instructions of one steady inference in all threads of the runtime, each a mean of a few
    inferences."""
    baseline_rss_bytes: int
    """Resident set size with the engine imported, before the file is loaded."""
    peak_rss_bytes: int
    """The largest resident set size from then to the end of the count."""


@dataclass(frozen=True, kw_only=True)
class Golden:
    """The golden vectors run here, compared with their outputs on the machine that exported the file."""

    verdict: Literal["identical", "within", "different"]
    pictures: int
    values: int
    differing: int
    max_lsb: int | None
    """The largest difference of an integer output, in steps; None for a float output."""
    max_relative: float | None
    """The largest difference of a float output over the largest magnitude; None for an integer output."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Top-1 accuracy on labelled test pictures, run one at a time."""

    correct: int
    n: int
    classes_predicted: int
    """How many different classes were predicted; a model with 1 ignores the picture."""
    outputs_sha256: str
    """Digest of all raw output tensors in order: equal on two machines if every bit is."""
    elapsed_s: float | None = None
    """From raw pixels to the last answer, all steps included."""

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.n or not self.n:
            raise ValueError(f"{self.correct} of {self.n} pictures is no accuracy")


@dataclass(frozen=True, kw_only=True)
class EndToEnd:
    """An application's whole path from encoded bytes in memory to the class: decode, resize, encode, run."""

    picture: str
    """Size and encoding of one picture."""
    pictures: int
    """How many different pictures take turns."""
    times_ms: tuple[float, ...]
    decode_ms: tuple[float, ...]
    """The part of each time that decoding and resizing took."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The few numbers by which a Measurement is quoted; `edgecnn.records.summary` computes them."""

    rounds: int = 0
    samples: int = 0
    p50_ms: float | None = None
    p50_low_ms: float | None = None
    p50_high_ms: float | None = None
    p50_interval_percent: float | None = None
    """Coverage of the interval."""
    p90_ms: float | None = None
    p99_ms: float | None = None
    import_ms: float | None = None
    init_ms: float | None = None
    first_ms: float | None = None
    peak_rss_bytes: int | None
    """Peak minus baseline; None if it includes the emulator's own memory."""
    top1_percent: float | None = None
    top1_low_percent: float | None = None
    top1_high_percent: float | None = None
    top1_n: int | None = None
    end_to_end_p50_ms: float | None = None
    end_to_end_decode_p50_ms: float | None = None
    instructions_p50: float | None = None
    """Instructions of one inference; None if they cannot be counted."""
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
    """A verdict on whether the machine was in a fit state to measure (`edgecnn.pipeline.bench.validity`)."""

    verdict: Literal["VALID", "DEGRADED", "INVALID"] = "VALID"
    reasons: tuple[str, ...] = ()
    """Such as "under-voltage in window 3"."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One file on one runtime."""

    file: str
    run: str | None
    """The run it was exported from; None for a file made elsewhere."""
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
    """True if no card says what the input takes, and raw pixel values were fed."""
    verdict: Verdict | None
    """The outcome of its check against the run, from its card."""
    summary: Summary
    accuracy: Accuracy | None
    end_to_end: EndToEnd | None = None
    windows: tuple[Window, ...] = ()
    validity: Validity = Validity()
    counts: tuple[Count, ...] = ()
    target: str | None = None
    """Whose int8 kernels an ONNX file suits: "any" or "dotprod"."""
    golden: Golden | None = None
    """None for a file without golden vectors."""
    input_shape: tuple[int, ...] = ()
    """Shape of the input it ran with; () in an early report."""

    def __post_init__(self) -> None:
        if self.bytes < 1 or self.num_threads < 1 or min(self.planned_activation_peak_bytes, self.parameters) < 0:
            raise ValueError(f"the bytes, threads, activations or parameters of {self.file} are none of a file")

    @property
    def is_timed(self) -> bool:
        """False if an emulated board measured it."""
        return bool(self.windows)


def p50(measurement: Measurement) -> tuple[float, float, float]:
    """Return (p50, low, high) in ms of a timed measurement."""
    s = measurement.summary
    assert s.p50_ms is not None
    assert s.p50_low_ms is not None
    assert s.p50_high_ms is not None
    return s.p50_ms, s.p50_low_ms, s.p50_high_ms
