"""What limits the numbers of a report: the closed list of warnings, each with the figures behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from edgecnn.common import stats
from edgecnn.common.units import duration
from edgecnn.pipeline.bench.validity import FOREIGN_CORES, STOLEN_CORES, disturbance
from edgecnn.records import isa
from edgecnn.records.report import Measurement, Warning, WarningKind, Window, p50

UNSTABLE_PERCENT = 5.0
"""Rounds whose medians lie further apart than this do not measure one thing."""
FREQUENCY_PERCENT = 5.0
LEAST_ROUNDS = 6
"""The fewest whose extremes hold the median with 95 % (`stats.median_interval`)."""
LEAST_SAMPLES = 50


def warnings(
    measurements: Sequence[Measurement], arch: str = "", causes: Mapping[tuple[str, str], str] | None = None
) -> tuple[Warning, ...]:
    """All warnings of a report's measurements, those about the machine, of architecture `arch`, first.

    causes: by file and runtime, why outputs are not those of the export, where that is known.
    """
    if not measurements:
        return ()
    timed = [one for one in measurements if one.is_timed]
    windows = [window for one in timed for window in one.windows]
    found = [*_loaded_machine(windows), *_frequency_changed(windows), *_few_rounds(timed)]
    found += _assumed_preprocessing(measurements)
    for one in measurements:
        if one.is_timed:
            found += [*_unstable(one), *_few_samples(one)]
        found += [*_one_class(one), *_differs(one, (causes or {}).get((one.file, one.runtime)))]
        found += _int8_slower(one, timed, arch)
    return tuple(found)


def _loaded_machine(windows: Sequence[Window]) -> Iterator[Warning]:
    foreign, stolen = disturbance(windows) or (0.0, 0.0)
    if foreign > FOREIGN_CORES or stolen > STOLEN_CORES:
        yield Warning(
            kind="loaded-machine",
            file=None,
            runtime=None,
            sentence=f"While timing, other programs kept {foreign:.2f} cores busy and a hypervisor took {stolen:.2f}; "
            "measure again on a quiet machine.",
            numbers={"foreign_cores": foreign, "stolen_cores": stolen},
        )


def _frequency_changed(windows: Sequence[Window]) -> Iterator[Warning]:
    # After a window the core has worked; before it, it may have slept at its lowest clock.
    clocks = [window.after.frequency_mhz for window in windows if window.after.frequency_mhz]
    if clocks and 100 * (max(clocks) / min(clocks) - 1) > FREQUENCY_PERCENT:
        yield Warning(
            kind="frequency-changed",
            file=None,
            runtime=None,
            sentence=f"The clock stood between {min(clocks):.0f} and {max(clocks):.0f} MHz after the windows; "
            "fix the governor, or let the machine cool.",
            numbers={"lowest_mhz": min(clocks), "highest_mhz": max(clocks)},
        )


def _few_rounds(measurements: Sequence[Measurement]) -> Iterator[Warning]:
    rounds = min((one.summary.rounds for one in measurements), default=LEAST_ROUNDS)
    if rounds < LEAST_ROUNDS:
        held = min(one.summary.p50_interval_percent or 0.0 for one in measurements)
        yield Warning(
            kind="few-rounds",
            file=None,
            runtime=None,
            sentence=f"With {rounds} rounds the interval of the median holds it with {held:.0f} % only; "
            f"{LEAST_ROUNDS} rounds make that 95 % or more.",
            numbers={"rounds": rounds, "held_percent": held},
        )


def _unstable(one: Measurement) -> Iterator[Warning]:
    medians = [stats.quantile(sorted(window.times_ms), 0.5) for window in one.windows]
    spread_percent = 100 * (max(medians) / min(medians) - 1)
    if spread_percent > UNSTABLE_PERCENT:
        yield _about(
            one,
            "unstable",
            f"its rounds' medians lie {spread_percent:.0f} % apart, "
            f"from {duration(min(medians))} to {duration(max(medians))}.",
            {"spread_percent": spread_percent, "lowest_ms": min(medians), "highest_ms": max(medians)},
        )


def _few_samples(one: Measurement) -> Iterator[Warning]:
    if one.summary.samples < LEAST_SAMPLES:
        sentence = f"it was timed {one.summary.samples} times only; p99 needs {LEAST_SAMPLES} at the very least."
        yield _about(one, "few-samples", sentence, {"samples": one.summary.samples})


def _one_class(one: Measurement) -> Iterator[Warning]:
    if one.accuracy and one.accuracy.classes_predicted == 1 and one.accuracy.n > 1:
        sentence = f"it gives the same class for all {one.accuracy.n} pictures."
        yield _about(one, "one-class", sentence, {"classes_predicted": 1, "n": one.accuracy.n})


def _differs(one: Measurement, cause: str | None) -> Iterator[Warning]:
    """An integer output is the same on every machine; a float one within the rounding of its sums."""
    golden = one.golden
    if golden is None or golden.verdict == "identical" or (golden.verdict == "within" and golden.max_lsb is None):
        return
    size = f"{golden.max_lsb} LSB" if golden.max_lsb is not None else f"{golden.max_relative or 0.0:.1e} of the largest"
    sentence = (
        f"{golden.differing} of {golden.values} output values of {golden.pictures} pictures are not those it had where "
        f"it was exported, by up to {size}."
    )
    sentence += f" {cause}" if cause else ""
    yield _about(one, "differs-from-export", sentence, {"differing": golden.differing, "values": golden.values})


def _assumed_preprocessing(measurements: Sequence[Measurement]) -> Iterator[Warning]:
    names = sorted({one.file for one in measurements if one.accuracy and one.preprocessing_assumed})
    if names:
        yield Warning(
            kind="assumed-preprocessing",
            file=None,
            runtime=None,
            sentence=f"{', '.join(names)}: nobody says what stands for a pixel, so raw values 0 to 255 were fed; "
            "a file that expects others has a better accuracy than this (--mean and --std set them).",
            numbers={"files": len(names)},
        )


def _int8_slower(one: Measurement, measurements: Sequence[Measurement], arch: str) -> Iterator[Warning]:
    """int8 above fp32 on the same runtime, the intervals apart, and the file to take instead."""
    if not one.precision.startswith("int8"):
        return
    family = [other for other in measurements if family_of(other.run, other.file) == family_of(one.run, one.file)]
    for float_one in family:
        if float_one.precision != "fp32" or float_one.runtime != one.runtime or float_one.format != one.format:
            continue
        (int8_ms, low_ms, _), (fp32_ms, _, high_ms) = p50(one), p50(float_one)
        if low_ms <= high_ms:
            continue
        best = min(family, key=lambda other: p50(other)[0])
        yield _about(
            one,
            "int8-slower-than-fp32",
            f"at {duration(int8_ms)} it is {100 * (int8_ms / fp32_ms - 1):.0f} % slower than {float_one.file} "
            f"({duration(fp32_ms)}); the quickest here is {best.file} on {best.runtime} "
            f"({duration(p50(best)[0])}). {_why(one, arch)}",
            {"int8_ms": int8_ms, "fp32_ms": fp32_ms, "quickest_ms": p50(best)[0]},
        )


def _why(one: Measurement, arch: str) -> str:
    """What the file alone says of it; operator by operator only a profile can tell."""
    if one.format == "onnx" and one.target == "dotprod" and arch in isa.X86:
        return "Its int8 activations are for ARM with dot product, whose kernels x86 lacks: `edgecnn export`."
    where = "`edgecnn bench --profile` says which operators."
    return f"Some of its operators stayed float; {where}" if one.precision == "int8-mixed" else where


def family_of(run: str | None, file: str) -> str:
    """What the files of one net have in common: their run, or their name without the precision."""
    return run or re.sub(r"[-_.]?(fp32|float32|int8(-mixed)?)", "", file).rpartition(".")[0]


def _about(one: Measurement, kind: WarningKind, sentence: str, numbers: dict[str, float]) -> Warning:
    return Warning(
        kind=kind,
        file=one.file,
        runtime=one.runtime,
        sentence=f"{one.file} on {one.runtime}: {sentence}",
        numbers=numbers,
    )
