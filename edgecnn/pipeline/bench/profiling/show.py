"""A profile for people: one table a file on stdout, the sentences below it; 80 columns."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from typing import TextIO

from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.common.units import digits, scale
from edgecnn.pipeline.bench.profiling.results import Profile, ProfileReport, Row
from edgecnn.pipeline.bench.profiling.rows import MOST_OFF_PERCENT
from edgecnn.pipeline.bench.profiling.words import amount, cell, spread
from edgecnn.records.environment import machine_name

WIDTH = 80
MOST_ROWS = 40
"""Of a longer file the dearest are shown, in the order they run in."""
COLUMNS_MEAN = (
    "n: fresh processes; %: of the sum; rate: GMAC/s, or MACs an instruction; best: % of the best rate of the kind "
    "here; kB: moved, weights included; <: below what n processes can tell; +1: runs as one with the next."
)


def show(report: ProfileReport, stream: TextIO | None = None) -> None:
    """Print all profiles on stdout (or `stream`), failures and doubts on stderr."""
    out = stream or sys.stdout
    machine = report.environment
    say(f"{report.board}, {machine.cores} cores\non {machine_name(machine)}", file=out)
    for one in report.profiles:
        say(f"\n{_wrapped(_head(one))}", file=out)
        if one.rows:
            console.table(*table(one), out)
            for line in _below(one):
                say(_wrapped(line), file=out)
        for sentence in one.advice:
            say(textwrap.fill(sentence.sentence, WIDTH, initial_indent="- ", subsequent_indent="  "), file=out)
    if any(one.rows for one in report.profiles):
        say(f"\n{_wrapped(COLUMNS_MEAN)}", file=out)
    for one in report.profiles:
        if one.validity.verdict != "VALID":
            console.warn(f"{one.file} on {one.runtime} is {one.validity.verdict}: {'; '.join(one.validity.reasons)}.")
        if one.rows and abs(one.off_percent.p50) > MOST_OFF_PERCENT:
            console.warn(
                f"{one.file} on {one.runtime}: its parts are off the whole by {one.off_percent.p50:+.0f} %, which "
                f"{one.rounds} processes on so restless a machine cannot tell from 0; measure again on a quiet one."
            )
    for failure in report.failures:
        console.error(f"{failure.file} on {failure.runtime}: {failure.sentence}", failure.hint)


def table(one: Profile) -> tuple[list[str], list[list[str]]]:
    """(head, rows) for the console; every cost in one unit, which the head names."""
    factor, unit = scale(one.whole.p50) if one.unit == "ms" else (1e-3, "k ins")
    mega = max(row.macs for row in one.rows) >= 1e6
    head = ["operator", "output", f"{unit} [95 %]", "%", "MMAC" if mega else "kMAC", "rate", "best", "kB"]
    shown = sorted(sorted(one.rows, key=lambda row: -row.cost.p50)[:MOST_ROWS], key=lambda row: row.place)
    lines = [_line(row, one, factor, 1e6 if mega else 1e3) for row in shown]
    if one.call:
        share = 100 * max(0.0, one.call.p50) / one.sum.p50
        lines.insert(0, ["the call alone", "", cell(one.call, factor), f"{share:.1f}", *[""] * 4])
    return head, lines


def _line(row: Row, one: Profile, factor: float, macs: float) -> list[str]:
    return [
        f"{row.place} {_short(row)}",
        "x".join(map(str, row.output_shape[1:])) or "-",
        cell(row.cost, factor),
        f"{max(0.0, row.share_percent):.1f}",
        digits(row.macs / macs) if row.macs else "",
        digits(row.macs_per_unit / (1e6 if one.unit == "ms" else 1.0)) if row.macs_per_unit else "",
        f"{row.of_best_percent:.0f}" if row.of_best_percent else "",
        digits(row.bytes / 1000),
    ]


def _short(row: Row) -> str:
    """The label; of several that run as one, the first and how many more."""
    label = row.label if len(row.names) == 1 else f"{row.label.split(' + ')[0]} +{len(row.names) - 1}"
    return label.replace("depthwise", "dw").replace("pointwise", "pw").replace("transposed conv", "deconv")


def _head(one: Profile) -> str:
    return (
        f"{one.file}, {one.runtime} {one.runtime_version}, {_threads(one.num_threads)}: "
        f"{spread(one.whole, one.unit)} (n = {one.rounds})"
    )


def _below(one: Profile) -> Iterator[str]:
    how = f"by {one.method}" if one.method == "prefixes" else "by ONNX Runtime's own profiler"
    left = len(one.rows) - MOST_ROWS
    rest = f"; {left} cheaper operators are in the JSON only" if left > 0 else ""
    yield f"{how}, whose sum is off the whole by {one.off_percent.p50:+.1f} % ({one.reason}){rest}"
    if one.threads:
        swept = ", ".join(
            f"{each.num_threads}: {amount(each.p50_ms, 'ms')}{' <- knee' if each.num_threads == one.knee else ''}"
            for each in one.threads
        )
        yield f"threads {swept}"


def _threads(number: int) -> str:
    return f"{number} thread{'s' if number > 1 else ''}"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH)
