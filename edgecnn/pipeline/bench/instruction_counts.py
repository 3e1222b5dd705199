"""Sentences about instruction counts: int8 against fp32, S8S8 against U8S8, runtime against runtime, core against core.

Instructions are not time: caches, pipelines and memory do not show in them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgecnn.records.environment import core_name
from edgecnn.records.measurement import Measurement
from edgecnn.records.report import Report

ALIKE_PERCENT = 5.0
"""Two costs that differ by no more than this are called equal."""
SIGNEDNESS = {"any": "U8S8", "dotprod": "S8S8"}
"""Types of the activations and weights of an int8 ONNX file, by the target it was exported for."""


@dataclass(frozen=True)
class Ratio:
    """Instructions of one kind of file divided by those of another kind, over several nets."""

    values: tuple[float, ...]
    """One ratio per net."""

    @property
    def mean(self) -> float:
        """The geometric mean, which does not depend on which kind is the numerator."""
        return math.exp(sum(map(math.log, self.values)) / len(self.values))

    def spread(self) -> str:
        """Return the range and n in words, such as "mean of 0.44 to 0.52, n = 4"."""
        low, high = min(self.values), max(self.values)
        return f"mean of {low:.2f} to {high:.2f}, n = {len(self.values)}" if len(self.values) > 1 else "n = 1"


@dataclass(frozen=True)
class CountKind:
    """A filter of files by runtime, precision (its prefix) and target; None stands for any."""

    precision: str = ""
    runtime: str | None = None
    target: str | None = None

    def fits(self, measurement: Measurement) -> bool:
        """Return whether a file is of this kind."""
        return (
            measurement.precision.startswith(self.precision)
            and self.runtime in (None, measurement.runtime)
            and self.target in (None, measurement.target)
        )


def sentences(reports: Sequence[Report]) -> list[str]:
    """Return a sentence for each comparison that the files of the reports allow, none if nothing was counted.

    Args:
        reports: Each on another core; consecutive ones are compared with each other.
    """
    all_sentences: list[str] = []
    for report in reports:
        all_sentences += [*_precision(report), *_signedness(report), *_runtimes(report)]
    return all_sentences + [sentence for pair in itertools.pairwise(reports) for sentence in _cores(*pair)]


def _precision(report: Report) -> Iterator[str]:
    int8_kinds = sorted({(m.runtime, m.target or "") for m in _counted(report) if m.precision.startswith("int8")})
    for runtime, target in int8_kinds:
        ratio = _ratio(report, CountKind("int8", runtime, target or None), CountKind("fp32", runtime))
        if ratio:
            name = f"int8 {SIGNEDNESS[target]}" if target else "int8"
            yield (
                f"On {core_name(report.environment)}, {name} {_compared(ratio, 'fp32')} in {runtime} "
                f"({ratio.spread()})."
            )


def _signedness(report: Report) -> Iterator[str]:
    ratio = _ratio(report, CountKind(target="dotprod"), CountKind(target="any"))
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
        ratio = _ratio(report, CountKind(precision, "litert"), CountKind(precision, "onnxruntime"))
        if ratio:
            words = _compared(ratio, "in onnxruntime")
            yield f"On {core_name(report.environment)}, {precision} in litert {words} ({ratio.spread()})."


def _cores(before: Report, after: Report) -> Iterator[str]:
    """Compare the same files on two cores."""
    costs_after = {(m.file, m.runtime): _cost(m) for m in _counted(after)}
    for precision in ("fp32", "int8"):
        values = tuple(
            costs_after[m.file, m.runtime] / _cost(m)
            for m in _counted(before)
            if (m.file, m.runtime) in costs_after and m.precision.startswith(precision)
        )
        if values:
            yield (
                f"From {core_name(before.environment)} to {core_name(after.environment)}, {precision} "
                f"{_compared(Ratio(values), 'before')} ({Ratio(values).spread()})."
            )


def _ratio(report: Report, above: CountKind, below: CountKind) -> Ratio | None:
    """Return the cheapest `above` file of each net over its cheapest `below` file; None if no net has both."""
    values = []
    for net in dict.fromkeys(m.run for m in _counted(report)):
        files = [m for m in _counted(report) if m.run == net]
        above_costs, below_costs = ([_cost(m) for m in files if kind.fits(m)] for kind in (above, below))
        if above_costs and below_costs:
            values.append(min(above_costs) / min(below_costs))
    return Ratio(tuple(values)) if values else None


def _compared(ratio: Ratio, other: str) -> str:
    """Return a ratio in words, such as "needs 2.1 times fewer instructions than fp32"."""
    percent = 100 * (ratio.mean - 1)
    if abs(percent) <= ALIKE_PERCENT:
        return f"needs as many instructions as {other} ({percent:+.1f} %)"
    if ratio.mean < 1 / 1.5:
        return f"needs {1 / ratio.mean:.1f} times fewer instructions than {other}"
    return f"needs {abs(percent):.0f} % {'fewer' if percent < 0 else 'more'} instructions than {other}"


def _counted(report: Report) -> list[Measurement]:
    return [m for m in report.measurements if m.run and m.summary.instructions_p50]


def _cost(measurement: Measurement) -> float:
    assert measurement.summary.instructions_p50 is not None
    return measurement.summary.instructions_p50
