"""What follows from instructions counted on several cores, in plain sentences computed from the numbers.

Instructions are no time: caches, pipelines and memory are not in them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgecnn.records.environment import core_name
from edgecnn.records.report import Measurement, Report

ALIKE_PERCENT = 5.0
"""Nearer than this two costs are called equal."""
SIGNEDNESS = {"any": "U8S8", "dotprod": "S8S8"}
"""Activations and weights of ONNX int8, by the target a file was exported for."""


@dataclass(frozen=True)
class Ratio:
    """Instructions of one kind of file over those of another, over several nets."""

    values: tuple[float, ...]
    """One a net."""

    @property
    def mean(self) -> float:
        """Geometric: the mean of ratios that does not depend on which is above."""
        return math.exp(sum(map(math.log, self.values)) / len(self.values))

    def spread(self) -> str:
        """The range and n, as in "mean of 0.44 to 0.52, n = 4"."""
        low, high = min(self.values), max(self.values)
        return f"mean of {low:.2f} to {high:.2f}, n = {len(self.values)}" if len(self.values) > 1 else "n = 1"


@dataclass(frozen=True)
class Kind:
    """Which files: of a runtime, a precision (as it begins) and a target; None is any."""

    precision: str = ""
    runtime: str | None = None
    target: str | None = None

    def fits(self, one: Measurement) -> bool:
        """Whether a file is one of them."""
        return (
            one.precision.startswith(self.precision)
            and self.runtime in (None, one.runtime)
            and self.target in (None, one.target)
        )


def sentences(reports: Sequence[Report]) -> list[str]:
    """One sentence for each comparison the reports' files allow; empty when nothing was counted."""
    found: list[str] = []
    for report in reports:
        found += [*_precision(report), *_signedness(report), *_runtimes(report)]
    return found + [sentence for pair in itertools.pairwise(reports) for sentence in _cores(*pair)]


def _precision(report: Report) -> Iterator[str]:
    int8 = sorted({(one.runtime, one.target or "") for one in _counted(report) if one.precision.startswith("int8")})
    for runtime, target in int8:
        ratio = _ratio(report, Kind("int8", runtime, target or None), Kind("fp32", runtime))
        if ratio:
            name = f"int8 {SIGNEDNESS[target]}" if target else "int8"
            yield (
                f"On {core_name(report.environment)}, {name} {_against(ratio, 'fp32')} in {runtime} ({ratio.spread()})."
            )


def _signedness(report: Report) -> Iterator[str]:
    ratio = _ratio(report, Kind(target="dotprod"), Kind(target="any"))
    if not ratio:
        return
    core = core_name(report.environment)
    if min(ratio.values) < 1 < max(ratio.values):
        yield f"On {core}, neither S8S8 nor U8S8 is the cheaper int8 of every ONNX net (S8S8 by U8S8 {ratio.spread()})."
    else:
        cheaper = "dotprod" if ratio.mean < 1 else "any"
        yield (
            f"On {core}, {SIGNEDNESS[cheaper]} is the cheaper int8 for ONNX (S8S8 needs "
            f"{100 * abs(ratio.mean - 1):.1f} % {'fewer' if ratio.mean < 1 else 'more'} instructions than U8S8; "
            f"{ratio.spread()}): --target {cheaper}."
        )


def _runtimes(report: Report) -> Iterator[str]:
    for precision in ("fp32", "int8"):
        ratio = _ratio(report, Kind(precision, "litert"), Kind(precision, "onnxruntime"))
        if ratio:
            words = _against(ratio, "in onnxruntime")
            yield f"On {core_name(report.environment)}, {precision} in litert {words} ({ratio.spread()})."


def _cores(before: Report, after: Report) -> Iterator[str]:
    """From one core to the next: what its instructions are worth."""
    there = {(one.file, one.runtime): _cost(one) for one in _counted(after)}
    for precision in ("fp32", "int8"):
        values = tuple(
            there[one.file, one.runtime] / _cost(one)
            for one in _counted(before)
            if (one.file, one.runtime) in there and one.precision.startswith(precision)
        )
        if values:
            yield (
                f"From {core_name(before.environment)} to {core_name(after.environment)}, {precision} "
                f"{_against(Ratio(values), 'before')} ({Ratio(values).spread()})."
            )


def _ratio(report: Report, above: Kind, below: Kind) -> Ratio | None:
    """The cheapest file of each net that is `above` over the cheapest that is `below`."""
    values = []
    for net in dict.fromkeys(one.run for one in _counted(report)):
        files = [one for one in _counted(report) if one.run == net]
        over, under = ([_cost(one) for one in files if kind.fits(one)] for kind in (above, below))
        if over and under:
            values.append(min(over) / min(under))
    return Ratio(tuple(values)) if values else None


def _against(ratio: Ratio, other: str) -> str:
    """A ratio in words: "needs 2.1 times fewer instructions than fp32"."""
    percent = 100 * (ratio.mean - 1)
    if abs(percent) <= ALIKE_PERCENT:
        return f"needs as many instructions as {other} ({percent:+.1f} %)"
    if ratio.mean < 1 / 1.5:
        return f"needs {1 / ratio.mean:.1f} times fewer instructions than {other}"
    return f"needs {abs(percent):.0f} % {'fewer' if percent < 0 else 'more'} instructions than {other}"


def _counted(report: Report) -> list[Measurement]:
    return [one for one in report.measurements if one.run and one.summary.instructions_p50]


def _cost(one: Measurement) -> float:
    assert one.summary.instructions_p50 is not None
    return one.summary.instructions_p50
