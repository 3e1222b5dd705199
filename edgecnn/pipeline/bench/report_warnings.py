"""Warnings about the numbers of a report: a closed list of kinds, each with the figures behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from edgecnn.common import stats
from edgecnn.common.units import duration
from edgecnn.pipeline.bench.validity import FOREIGN_CORES, STOLEN_CORES, disturbance
from edgecnn.records import isa
from edgecnn.records.measurement import Measurement, Window, p50
from edgecnn.records.report import ReportWarning, WarningKind

UNSTABLE_PERCENT = 5.0
"""The widest spread of the rounds' medians that counts as one stable measurement."""
FREQUENCY_PERCENT = 5.0
"""How far the clocks after the windows may lie apart."""
LEAST_ROUNDS = 6
"""The fewest rounds whose extremes contain the median with 95 % confidence (`stats.median_interval`)."""
LEAST_SAMPLES = 50
"""The fewest timed runs behind a p99."""


def warnings(
    measurements: Sequence[Measurement], arch: str = "", causes: Mapping[tuple[str, str], str] | None = None
) -> tuple[ReportWarning, ...]:
    """Return all warnings about a report's measurements, those about the machine first.

    Args:
        measurements: The measurements of one report.
        arch: The machine's architecture, such as "x86_64".
        causes: Why outputs differ from those at export, by (file, runtime), where it is known.
    """
    if not measurements:
        return ()
    timed = [m for m in measurements if m.is_timed]
    windows = [window for m in timed for window in m.windows]
    all_warnings = [*_loaded_machine(windows), *_frequency_changed(windows), *_few_rounds(timed)]
    all_warnings += _assumed_preprocessing(measurements)
    for measurement in measurements:
        if measurement.is_timed:
            all_warnings += [*_unstable(measurement), *_few_samples(measurement)]
        all_warnings += [
            *_one_class(measurement),
            *_differs(measurement, (causes or {}).get((measurement.file, measurement.runtime))),
        ]
        all_warnings += _int8_slower(measurement, timed, arch)
    return tuple(all_warnings)


def _loaded_machine(windows: Sequence[Window]) -> Iterator[ReportWarning]:
    foreign, stolen = disturbance(windows) or (0.0, 0.0)
    if foreign > FOREIGN_CORES or stolen > STOLEN_CORES:
        yield ReportWarning(
            kind="loaded-machine",
            file=None,
            runtime=None,
            sentence=f"While timing, other programs kept {foreign:.2f} cores busy and a hypervisor took {stolen:.2f}; "
            "measure again on a quiet machine.",
            numbers={"foreign_cores": foreign, "stolen_cores": stolen},
        )


def _frequency_changed(windows: Sequence[Window]) -> Iterator[ReportWarning]:
    # After a window the core has worked; before it, it may have slept at its lowest clock.
    clocks = [window.after.frequency_mhz for window in windows if window.after.frequency_mhz]
    if clocks and 100 * (max(clocks) / min(clocks) - 1) > FREQUENCY_PERCENT:
        yield ReportWarning(
            kind="frequency-changed",
            file=None,
            runtime=None,
            sentence=f"The clock stood between {min(clocks):.0f} and {max(clocks):.0f} MHz after the windows; "
            "fix the governor, or let the machine cool.",
            numbers={"lowest_mhz": min(clocks), "highest_mhz": max(clocks)},
        )


def _few_rounds(measurements: Sequence[Measurement]) -> Iterator[ReportWarning]:
    rounds = min((m.summary.rounds for m in measurements), default=LEAST_ROUNDS)
    if rounds < LEAST_ROUNDS:
        held_percent = min(m.summary.p50_interval_percent or 0.0 for m in measurements)
        yield ReportWarning(
            kind="few-rounds",
            file=None,
            runtime=None,
            sentence=f"With {rounds} rounds the interval of the median holds it with {held_percent:.0f} % only; "
            f"{LEAST_ROUNDS} rounds make that 95 % or more.",
            numbers={"rounds": rounds, "held_percent": held_percent},
        )


def _unstable(measurement: Measurement) -> Iterator[ReportWarning]:
    medians = [stats.quantile(sorted(window.times_ms), 0.5) for window in measurement.windows]
    spread_percent = 100 * (max(medians) / min(medians) - 1)
    if spread_percent > UNSTABLE_PERCENT:
        yield _warning(
            measurement,
            "unstable",
            f"its rounds' medians lie {spread_percent:.0f} % apart, "
            f"from {duration(min(medians))} to {duration(max(medians))}.",
            {"spread_percent": spread_percent, "lowest_ms": min(medians), "highest_ms": max(medians)},
        )


def _few_samples(measurement: Measurement) -> Iterator[ReportWarning]:
    if measurement.summary.samples < LEAST_SAMPLES:
        sentence = (
            f"it was timed {measurement.summary.samples} times only; p99 needs {LEAST_SAMPLES} at the very least."
        )
        yield _warning(measurement, "few-samples", sentence, {"samples": measurement.summary.samples})


def _one_class(measurement: Measurement) -> Iterator[ReportWarning]:
    if measurement.accuracy and measurement.accuracy.classes_predicted == 1 and measurement.accuracy.n > 1:
        sentence = f"it gives the same class for all {measurement.accuracy.n} pictures."
        yield _warning(measurement, "one-class", sentence, {"classes_predicted": 1, "n": measurement.accuracy.n})


def _differs(measurement: Measurement, cause: str | None) -> Iterator[ReportWarning]:
    """Warn of outputs that differ from those at export: any difference of integers, of floats more than rounding."""
    golden = measurement.golden
    if golden is None or golden.verdict == "identical" or (golden.verdict == "within" and golden.max_lsb is None):
        return
    size = f"{golden.max_lsb} LSB" if golden.max_lsb is not None else f"{golden.max_relative or 0.0:.1e} of the largest"
    sentence = (
        f"{golden.differing} of {golden.values} output values of {golden.pictures} pictures are not those it had where "
        f"it was exported, by up to {size}."
    )
    sentence += f" {cause}" if cause else ""
    yield _warning(
        measurement, "differs-from-export", sentence, {"differing": golden.differing, "values": golden.values}
    )


def _assumed_preprocessing(measurements: Sequence[Measurement]) -> Iterator[ReportWarning]:
    names = sorted({m.file for m in measurements if m.accuracy and m.preprocessing_assumed})
    if names:
        yield ReportWarning(
            kind="assumed-preprocessing",
            file=None,
            runtime=None,
            sentence=f"{', '.join(names)}: nobody says what stands for a pixel, so raw values 0 to 255 were fed; "
            "a file that expects others has a better accuracy than this (--mean and --std set them).",
            numbers={"files": len(names)},
        )


def _int8_slower(int8: Measurement, measurements: Sequence[Measurement], arch: str) -> Iterator[ReportWarning]:
    """Warn where int8 is slower than fp32 on the same runtime beyond both intervals, and name the quickest file."""
    if not int8.precision.startswith("int8"):
        return
    family = [other for other in measurements if family_of(other.run, other.file) == family_of(int8.run, int8.file)]
    for fp32 in family:
        if fp32.precision != "fp32" or fp32.runtime != int8.runtime or fp32.format != int8.format:
            continue
        (int8_ms, low_ms, _), (fp32_ms, _, high_ms) = p50(int8), p50(fp32)
        if low_ms <= high_ms:
            continue
        quickest = min(family, key=lambda other: p50(other)[0])
        yield _warning(
            int8,
            "int8-slower-than-fp32",
            f"at {duration(int8_ms)} it is {100 * (int8_ms / fp32_ms - 1):.0f} % slower than {fp32.file} "
            f"({duration(fp32_ms)}); the quickest here is {quickest.file} on {quickest.runtime} "
            f"({duration(p50(quickest)[0])}). {_why(int8, arch)}",
            {"int8_ms": int8_ms, "fp32_ms": fp32_ms, "quickest_ms": p50(quickest)[0]},
        )


def _why(measurement: Measurement, arch: str) -> str:
    """Return the reason as far as the file tells it; only a profile can tell it operator by operator."""
    if measurement.format == "onnx" and measurement.target == "dotprod" and arch in isa.X86:
        return "Its int8 activations are for ARM with dot product, whose kernels x86 lacks: `edgecnn export`."
    advice = "`edgecnn bench --profile` says which operators."
    return f"Some of its operators stayed float; {advice}" if measurement.precision == "int8-mixed" else advice


def family_of(run: str | None, file: str) -> str:
    """Return the name that all files of one net share: their run, or else the file name without its precision."""
    return run or re.sub(r"[-_.]?(fp32|float32|int8(-mixed)?)", "", file).rpartition(".")[0]


def _warning(measurement: Measurement, kind: WarningKind, sentence: str, numbers: dict[str, float]) -> ReportWarning:
    return ReportWarning(
        kind=kind,
        file=measurement.file,
        runtime=measurement.runtime,
        sentence=f"{measurement.file} on {measurement.runtime}: {sentence}",
        numbers=numbers,
    )
