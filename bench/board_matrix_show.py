"""The tables and sentences of the emulated boards: how far boots lie apart, and whose outputs differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edgecnn.common import console
from edgecnn.common.stats import quantile
from edgecnn.pipeline.bench import instruction_counts
from edgecnn.pipeline.bench.show import cells
from edgecnn.records import environment, measurement, report
from edgecnn.records.measurement import Accuracy, Count, Golden
from edgecnn.records.report import Report

MOST_SPREAD_PERCENT = 0.1
COLUMNS = ("kB", "top-1 % [95 %]", "planned kB", "peak MB", "golden", "instructions")

Against = dict[tuple[str, str, str], str]
"""What is said of the outputs of (board, file, runtime) against this machine's."""


def spread_percent(counts: Sequence[Count]) -> float:
    """Return how far the medians of the boots lie apart, in percent."""
    medians = [quantile(sorted(count.instructions), 0.5) for count in counts]
    return 100 * (max(medians) / min(medians) - 1)


def against_here(measured: measurement.Measurement, here: Accuracy | None, differences: Golden | None) -> str:
    """The board's outputs and this machine's: of all pictures by digest, of the golden ones by value."""
    if measured.accuracy and here and measured.accuracy.outputs_sha256 == here.outputs_sha256:
        return f"identical, n = {here.n:,}"
    if differences:
        return (
            f"{differences.differing:,} of {differences.values:,} values by {differences.max_lsb} LSB, "
            f"n = {differences.pictures:,}"
        )
    if measured.golden and measured.golden.max_relative is not None:
        return f"within {measured.golden.max_relative:.0e}, n = {measured.golden.pictures}"
    return "different"


def complaints(result: Report, against: Against) -> Iterator[str]:
    for measured in result.measurements:
        name = f"{measured.file} on {measured.runtime}, {result.board}"
        words = against[result.board, measured.file, measured.runtime]
        if measured.precision == "int8" and not words.startswith("identical"):
            yield f"{name}: its int8 outputs are not those of this machine: {words}"
        if measured.golden and measured.golden.verdict == "different":
            yield f"{name}: it differs from what was exported"
        if spread_percent(measured.counts) > MOST_SPREAD_PERCENT:
            yield f"{name}: its boots' counts lie {spread_percent(measured.counts):.2f} % apart"


def markdown(results: Sequence[Report], against: Against, command: str) -> str:
    lines = ["# Emulated boards", "", f"    {command}", ""]
    for result in results:
        machine = result.environment
        head, rows = cells(result, COLUMNS)
        head = [*head, "boots", "spread of boots", "against x86"]
        rows = [
            [
                *row,
                str(len(measured.counts)),
                f"{spread_percent(measured.counts):.3f} %",
                against[result.board, measured.file, measured.runtime],
            ]
            for row, measured in zip(rows, result.measurements, strict=True)
        ]
        packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
        lines += [
            f"## {result.board}: {environment.machine_name(machine)}",
            "",
            f"{machine.os}, Python {machine.python}, {packages}",
            "",
        ]
        lines += [console.markdown_table(head, rows)]
    lines += ["What follows:", "", *(f"- {sentence}" for sentence in instruction_counts.sentences(results)), ""]
    lines += [
        "Emulated boards keep no time, so no latency is stated. Instructions are of one inference in user space: the",
        "median over all boots, and the largest distance of any count from it. Peak MB is the resident set of a fresh",
        "process less what it held before the file was loaded. Outputs are compared raw: all by sha256, or the golden",
        "pictures' by their largest difference relative to the largest output.",
    ]
    return "\n".join(lines) + "\n"


def board_table(result: Report, against: Against) -> dict[str, Any]:
    """A report as bench/report.schema.json describes it, and what is said of its files beside it."""
    return {
        "report": report.to_table(result),
        "boots": [
            {
                "file": measured.file,
                "runtime": measured.runtime,
                "boots": len(measured.counts),
                "spread_percent": spread_percent(measured.counts),
                "against_here": against[result.board, measured.file, measured.runtime],
            }
            for measured in result.measurements
        ],
    }
