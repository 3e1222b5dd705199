"""A comparison of two reports as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.common.units import duration
from edgecnn.pipeline.bench.compare import Comparison, MeasurementPair, two_kinds


def show(comparison: Comparison) -> None:
    """Print the table on stdout and its limitations on stderr."""
    say(f"{comparison.a}  ->  {comparison.b}")
    for name in dict.fromkeys(comparison.machines):
        say(f"on {name}")
    head = ["file", "runtime", "p50", "ratio [95 %]", "detectable", "cost", "top-1 %", "drop pp [95 %]", "accuracy"]
    console.table(head, [_row(pair) for pair in comparison.pairs])
    if not comparison.same_kind:
        console.warn(two_kinds(comparison.machines))
    if comparison.differences:
        console.warn(f"The machines differ: {'; '.join(comparison.differences)}.")
    if comparison.unpaired:
        console.warn(f"Only in one of the reports: {', '.join(sorted(comparison.unpaired))}.")


def _row(pair: MeasurementPair) -> Sequence[str]:
    latency, counts, drop = pair.latency, pair.instructions, pair.drop
    cost_cells: list[str] = ["-"] * 4
    if counts and not latency:
        cost_cells = [
            f"{counts.a:,.0f} -> {counts.b:,.0f} instructions",
            f"{counts.ratio:.4f}",
            f"{counts.detectable_percent:.2f} %",
            counts.answer,
        ]
    if latency:
        cost_cells = [
            f"{duration(latency.a_ms)} -> {duration(latency.b_ms)}",
            f"{latency.ratio:.3f} [{latency.low:.3f}, {latency.high:.3f}]",
            f"{math.ceil(latency.detectable_percent * 10) / 10:.1f} %",
            latency.answer,
        ]
    accuracy_cells: list[str] = ["-"] * 3
    if drop:
        accuracy_cells = [
            f"{drop.a_percent:.2f} -> {drop.b_percent:.2f}",
            "identical outputs" if drop.identical else f"{drop.pp:+.2f} [{drop.low_pp:+.2f}, {drop.high_pp:+.2f}]",
            drop.answer,
        ]
    return [pair.file, pair.runtime, *cost_cells, *accuracy_cells]
