"""Shows profiles to people: a table per file on stdout, with the advice below it, in 80 columns."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from typing import TextIO

from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.common.units import digits, scale
from edgecnn.pipeline.bench.profiling.results import Profile, ProfileReport, ProfileRow
from edgecnn.pipeline.bench.profiling.rows import MOST_OFF_PERCENT
from edgecnn.pipeline.bench.profiling.words import amount, cell, spread
from edgecnn.records.environment import machine_name

WIDTH = 80
MOST_ROWS = 40
"""How many rows are shown, in execution order; of a longer file the most expensive."""
COLUMNS_MEAN = (
    "n: fresh processes; %: of the sum; rate: GMAC/s, or MACs an instruction; best: % of the best rate of the kind "
    "here; kB: moved, weights included; <: below what n processes can tell; +1: runs as one with the next."
)


def show(report: ProfileReport, stream: TextIO | None = None) -> None:
    """Print all profiles on stdout (or `stream`), failures and doubts on stderr."""
    out = stream or sys.stdout
    machine = report.environment
    say(f"{report.board}, {machine.cores} cores\non {machine_name(machine)}", file=out)
    for profile in report.profiles:
        say(f"\n{_wrapped(_head(profile))}", file=out)
        if profile.rows:
            console.table(*table(profile), out)
            for line in _notes(profile):
                say(_wrapped(line), file=out)
        for sentence in profile.advice:
            say(textwrap.fill(sentence.sentence, WIDTH, initial_indent="- ", subsequent_indent="  "), file=out)
    if any(profile.rows for profile in report.profiles):
        say(f"\n{_wrapped(COLUMNS_MEAN)}", file=out)
    for profile in report.profiles:
        name = f"{profile.file} on {profile.runtime}"
        if profile.validity.verdict != "VALID":
            console.warn(f"{name} is {profile.validity.verdict}: {'; '.join(profile.validity.reasons)}.")
        if profile.rows and abs(profile.off_percent.p50) > MOST_OFF_PERCENT:
            console.warn(
                f"{name}: its parts are off the whole by {profile.off_percent.p50:+.0f} %, which "
                f"{profile.rounds} processes on so restless a machine cannot tell from 0; measure again on a quiet one."
            )
    for failure in report.failures:
        console.error(f"{failure.file} on {failure.runtime}: {failure.sentence}", failure.hint)


def table(profile: Profile) -> tuple[list[str], list[list[str]]]:
    """Return (head, rows) of the table; all costs are in the unit that the head names."""
    factor, unit = scale(profile.whole.p50) if profile.unit == "ms" else (1e-3, "k ins")
    mega = max(row.macs for row in profile.rows) >= 1e6
    head = ["operator", "output", f"{unit} [95 %]", "%", "MMAC" if mega else "kMAC", "rate", "best", "kB"]
    shown = sorted(sorted(profile.rows, key=lambda row: -row.cost.p50)[:MOST_ROWS], key=lambda row: row.place)
    lines = [_line(row, profile, factor, 1e6 if mega else 1e3) for row in shown]
    if profile.call:
        share = 100 * max(0.0, profile.call.p50) / profile.sum.p50
        lines.insert(0, ["the call alone", "", cell(profile.call, factor), f"{share:.1f}", *[""] * 4])
    return head, lines


def _line(row: ProfileRow, profile: Profile, factor: float, macs: float) -> list[str]:
    return [
        f"{row.place} {_short(row)}",
        "x".join(map(str, row.output_shape[1:])) or "-",
        cell(row.cost, factor),
        f"{max(0.0, row.share_percent):.1f}",
        digits(row.macs / macs) if row.macs else "",
        digits(row.macs_per_unit / (1e6 if profile.unit == "ms" else 1.0)) if row.macs_per_unit else "",
        f"{row.of_best_percent:.0f}" if row.of_best_percent else "",
        digits(row.bytes / 1000),
    ]


def _short(row: ProfileRow) -> str:
    """Return a short label; of operators that run as one, the first and how many more."""
    label = row.label if len(row.names) == 1 else f"{row.label.split(' + ')[0]} +{len(row.names) - 1}"
    return label.replace("depthwise", "dw").replace("pointwise", "pw").replace("transposed conv", "deconv")


def _head(profile: Profile) -> str:
    return (
        f"{profile.file}, {profile.runtime} {profile.runtime_version}, {_threads(profile.num_threads)}: "
        f"{spread(profile.whole, profile.unit)} (n = {profile.rounds})"
    )


def _notes(profile: Profile) -> Iterator[str]:
    how = f"by {profile.method}" if profile.method == "prefixes" else "by ONNX Runtime's own profiler"
    hidden = len(profile.rows) - MOST_ROWS
    rest = f"; {hidden} cheaper operators are in the JSON only" if hidden > 0 else ""
    yield f"{how}, whose sum is off the whole by {profile.off_percent.p50:+.1f} % ({profile.reason}){rest}"
    if profile.threads:
        swept = ", ".join(
            f"{t.num_threads}: {amount(t.p50_ms, 'ms')}{' <- knee' if t.num_threads == profile.knee else ''}"
            for t in profile.threads
        )
        yield f"threads {swept}"


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH)
