"""A Report for people: the table on stdout and the Markdown file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from edgecnn import console, environment, files
from edgecnn.report import Measurement, Report
from edgecnn.units import digits, duration, interval

NARROW = ("kB", "top-1 % [95 %]", "p50 [95 %]", "p99", "peak MB")
"""Columns that fit 80 characters for the files of one run."""
CHECKED = ("kB", "top-1 % [95 %]", "drop pp", "agree %", "p50 [95 %]", "p99", "peak MB")
"""With the outcome of the check against the run."""


def _top1(one: Measurement) -> str:
    s = one.summary
    if s.top1_percent is None or s.top1_low_percent is None or s.top1_high_percent is None:
        return "-"
    return f"{s.top1_percent:.2f} [{s.top1_low_percent:.1f}, {s.top1_high_percent:.1f}]"


def _end_to_end(one: Measurement) -> str:
    total, decode = one.summary.end_to_end_p50_ms, one.summary.end_to_end_decode_p50_ms
    return f"{duration(total)} (decode {duration(decode)})" if total is not None and decode is not None else "-"


COLUMNS: dict[str, Callable[[Measurement], str]] = {
    "runtime": lambda one: one.runtime,
    "precision": lambda one: one.precision,
    "kB": lambda one: digits(one.bytes / 1000),
    "top-1 % [95 %]": _top1,
    "drop pp": lambda one: f"{one.verdict.drop_pp:+.2f}" if one.verdict else "-",
    "agree %": lambda one: f"{one.verdict.agreement_percent:.2f}" if one.verdict else "-",
    "p50 [95 %]": lambda one: interval(one.summary.p50_ms, one.summary.p50_low_ms, one.summary.p50_high_ms),
    "p90": lambda one: duration(one.summary.p90_ms),
    "p99": lambda one: duration(one.summary.p99_ms),
    "init": lambda one: duration(one.summary.init_ms),
    "first": lambda one: duration(one.summary.first_ms),
    "end-to-end p50": _end_to_end,
    "planned kB": lambda one: digits(one.planned_activation_peak_bytes / 1000),
    "peak MB": lambda one: digits(one.summary.peak_rss_bytes / 1e6),
    "samples": lambda one: f"{one.summary.samples:,}",
    "verdict": lambda one: one.validity.verdict,
}


def show(report: Report, columns: Sequence[str] | None = None, stream: TextIO | None = None) -> None:
    """Print the report's head and table on stdout (or `stream`), its failures and warnings on stderr.

    Without `columns`, files of one run get NARROW, and files of several, side by side, CHECKED.
    """
    runs = {one.run for one in report.measurements}
    shared = _shared_prefix([one.file for one in report.measurements])
    print(_headline(report, shared), file=stream or sys.stdout)
    head, rows = cells(report, columns or (CHECKED if len(runs) > 1 else NARROW), shared)
    console.table(head, rows, stream)
    for failure in report.failures:
        console.error(f"{failure.file} on {failure.runtime}: {failure.sentence}", failure.hint)
    for warning in report.warnings:
        console.warn(warning.sentence)
    for sentence in _doubts(report):
        console.warn(sentence)


def cells(report: Report, columns: Sequence[str], shared: str = "") -> tuple[list[str], list[list[str]]]:
    """(head, rows) of the columns named, after the file's name less `shared`.

    The runtime gets a column when a file ran on several; otherwise the file's ending tells it.
    """
    names = [one.file for one in report.measurements]
    if len(set(names)) < len(names) and "runtime" not in columns:
        columns = ("runtime", *columns)
    rows = [[_marked(one, shared), *(COLUMNS[name](one) for name in columns)] for one in report.measurements]
    return ["file", *columns], rows


def markdown(report: Report) -> str:
    """The report as a Markdown page: what was measured where, the whole table, the warnings."""
    machine = report.environment
    head, rows = cells(report, tuple(COLUMNS))
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    memory = f"{machine.memory_bytes / 1e9:.1f} GB" if machine.memory_bytes else "memory unknown"
    lines = [
        f"# {report.board}, {report.date}",
        "",
        f"    {report.command}",
        "",
        f"- {machine.model or machine.cpu} ({machine.arch}), {machine.cores} cores, {memory}, "
        f"fingerprint {environment.fingerprint(machine)}",
        f"- {machine.os}, {machine.kernel}, {machine.libc}, Python {machine.python}, edgecnn {machine.edgecnn}",
        f"- {packages}",
        f"- {_how(report)}",
        "",
        console.markdown_table(head, rows),
        "p50 is the median over the rounds of each round's median, with the interval the rounds give; p90 and p99 are",
        "of all samples. Timed is the graph alone; end-to-end also decodes, resizes and converts. init is from file to",
        "session, first the first inference. peak MB is the resident set of a fresh process less what it held before",
        "the file was loaded; planned kB the largest sum of activations alive at once. kB = 1000 bytes.",
    ]
    pictures = {one.end_to_end.picture for one in report.measurements if one.end_to_end}
    lines += [f"End-to-end pictures: {'; '.join(sorted(pictures))}."] if pictures else []
    notes = [f"- {failure.file} on {failure.runtime} failed: {failure.sentence}" for failure in report.failures]
    notes += [f"- {warning.kind}: {warning.sentence}" for warning in report.warnings]
    notes += [f"- {sentence}" for sentence in _doubts(report)]
    return "\n".join([*lines, *(["", "## Warnings", "", *notes] if notes else [])]) + "\n"


def write_markdown(report: Report, path: Path) -> None:
    """Write the page, atomically. Raises OutputError."""
    files.write_text(path, markdown(report))


def _marked(one: Measurement, shared: str) -> str:
    """The file's name as it stands in a table; an INVALID measurement is never seen without that word."""
    name = one.file.removeprefix(shared)
    return f"{name} (INVALID)" if one.validity.verdict == "INVALID" else name


def _doubts(report: Report) -> list[str]:
    """One sentence for every verdict that is not VALID."""
    return [
        f"{one.file} on {one.runtime} is {one.validity.verdict}: {'; '.join(one.validity.reasons)}."
        for one in report.measurements
        if one.validity.verdict != "VALID"
    ]


def _headline(report: Report, shared: str) -> str:
    """Where and how, in two lines."""
    machine = report.environment
    what = f"{shared}*" if shared else f"{len({one.file for one in report.measurements})} files"
    used = sorted({f"{one.runtime} {one.runtime_version}" for one in report.measurements})
    return f"{what} on {machine.model or machine.cpu} ({machine.arch}), {', '.join(used)}\n{_how(report)}"


def _how(report: Report) -> str:
    """Threads, rounds, samples and pictures behind the numbers."""
    summaries = [one.summary for one in report.measurements]
    if not summaries:
        return "nothing was measured"
    threads = report.measurements[0].num_threads
    least, most = min(s.samples for s in summaries), max(s.samples for s in summaries)
    samples = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    pictures = sorted({s.top1_n for s in summaries if s.top1_n})
    scored = f", top-1 on {' or '.join(f'{n:,}' for n in pictures)} test pictures" if pictures else ""
    return (
        f"{threads} thread{'s' if threads > 1 else ''}, batch 1, {summaries[0].rounds} rounds, "
        f"{samples} timed runs{scored}"
    )


def _shared_prefix(names: Sequence[str]) -> str:
    """The dash-separated words all names begin with: the run's name, said once above the table."""
    words = [name.split("-") for name in names]
    shared = []
    for column in zip(*(one[:-1] for one in words), strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0] + "-")
    return "".join(shared) if len(set(names)) > 1 else ""
