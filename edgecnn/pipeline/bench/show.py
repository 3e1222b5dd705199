"""A Report for people: the table on stdout and the Markdown file."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from edgecnn.common import console, escapes, files
from edgecnn.common.escapes import say
from edgecnn.common.units import digits, duration, interval
from edgecnn.pipeline.bench import instruction_counts
from edgecnn.records import environment, gates
from edgecnn.records.notebook import Table
from edgecnn.records.report import Measurement, Report, p50

NARROW = ("kB", "top-1 % [95 %]", "p50 [95 %]", "p99", "peak MB")
"""Columns that fit 80 characters for the files of one run."""
CHECKED = ("kB", "top-1 % [95 %]", "drop", "agree", "p50", "p99", "MB")
"""With the outcome of the check against the run: as wide, for files of several runs one below the other."""
CHECKED_MEAN = "drop: accuracy lost against the run, pp; agree: same answer as the run, %; MB: peak memory"
COUNTED = ("kB", "top-1 % [95 %]", "p50 [95 %]", "instructions", "peak MB")
"""Of a board that keeps no time."""
ANSWERED = ("kB", "top-1 % [95 %]", "drop pp", "agree %", "golden")
"""Of a board that counts no instructions either."""


def _top1(one: Measurement) -> str:
    s = one.summary
    if s.top1_percent is None or s.top1_low_percent is None or s.top1_high_percent is None:
        return "-"
    return f"{s.top1_percent:.2f} [{s.top1_low_percent:.1f}, {s.top1_high_percent:.1f}]"


def _end_to_end(one: Measurement) -> str:
    total, decode = one.summary.end_to_end_p50_ms, one.summary.end_to_end_decode_p50_ms
    return f"{duration(total)} (decode {duration(decode)})" if total is not None and decode is not None else "-"


def _latency(one: Measurement) -> str:
    return interval(*p50(one)) if one.is_timed else "emulated"


def _instructions(one: Measurement) -> str:
    """The median, and how far the counts lie from it at most."""
    s = one.summary
    if s.instructions_p50 is None or s.instructions_min is None or s.instructions_max is None:
        return "-"
    spread = max(s.instructions_max - s.instructions_p50, s.instructions_p50 - s.instructions_min)
    return f"{digits(s.instructions_p50 / 1000)} k ±{100 * spread / s.instructions_p50:.2f} %"


def _golden(one: Measurement) -> str:
    if one.golden is None:
        return "-"
    if one.golden.max_lsb:
        return f"{one.golden.max_lsb} LSB"
    return f"{one.golden.max_relative:.0e}" if one.golden.max_relative else one.golden.verdict


COLUMNS: dict[str, Callable[[Measurement], str]] = {
    "runtime": lambda one: one.runtime,
    "precision": lambda one: one.precision,
    "kB": lambda one: digits(one.bytes / 1000),
    "top-1 % [95 %]": _top1,
    "drop pp": lambda one: f"{one.verdict.drop_pp:+.2f}" if one.verdict else "-",
    "agree %": lambda one: f"{one.verdict.agreement_percent:.2f}" if one.verdict else "-",
    "p50 [95 %]": _latency,
    "p90": lambda one: duration(one.summary.p90_ms),
    "p99": lambda one: duration(one.summary.p99_ms),
    "init": lambda one: duration(one.summary.init_ms),
    "first": lambda one: duration(one.summary.first_ms),
    "end-to-end p50": _end_to_end,
    "planned kB": lambda one: digits(one.planned_activation_peak_bytes / 1000),
    "peak MB": lambda one: "-" if one.summary.peak_rss_bytes is None else digits(one.summary.peak_rss_bytes / 1e6),
    "samples": lambda one: f"{one.summary.samples:,}",
    "instructions": _instructions,
    "golden": _golden,
    "verdict": lambda one: one.validity.verdict,
}

SHORT: dict[str, Callable[[Measurement], str]] = {
    "drop": COLUMNS["drop pp"],
    "agree": lambda one: f"{one.verdict.agreement_percent:.1f}" if one.verdict else "-",
    "p50": lambda one: duration(one.summary.p50_ms) if one.is_timed else "emulated",
    "MB": COLUMNS["peak MB"],
}
"""For CHECKED, where width is short; CHECKED_MEAN explains them."""


TIMED = ("p90", "p99", "init", "first", "end-to-end p50", "samples", "verdict")
"""Columns that say nothing where time is not kept."""
TIMES_MEAN = (
    "p50 is the median over the rounds of each round's median, with the interval the rounds give; p90 and p99 are",
    "of all samples. Timed is the graph alone; end-to-end also decodes, resizes and converts. init is from file to",
    "session, first the first inference.",
)
ANSWERS_MEAN = "This emulated core answers; it has no latency, instructions or memory to tell."
COUNTS_MEAN = (
    "This machine is emulated and keeps no time of its own, so there is no latency. Instructions are those one",
    "inference retires in user space, counted by the emulated core: median, and the largest distance from it.",
)
NUMBERS_MEAN = (
    "peak MB is the resident set of a fresh process less what it held before the file was loaded; planned kB the",
    "largest sum of activations alive at once. golden compares the outputs of the golden pictures with those the file",
    "had where it was exported. kB = 1000 bytes.",
)


def show(report: Report, columns: Sequence[str] | None = None, stream: TextIO | None = None) -> None:
    """Print the report's head and table on stdout (or `stream`), its failures and warnings on stderr.

    Without `columns`, files of one run get NARROW, and files of several, side by side, CHECKED; a board
    without a clock of its own gets COUNTED, or ANSWERED where nothing could be counted.
    """
    runs = {one.run for one in report.measurements}
    shared = _shared_prefix([one.file for one in report.measurements])
    say(_headline(report, shared), file=stream or sys.stdout)
    several = len(runs) > 1 and None not in runs and columns is None and _is_timed(report)
    if several:
        console.table(*_by_run(report), stream)
        say(CHECKED_MEAN, file=stream or sys.stdout)
    else:
        usual = NARROW if _is_timed(report) else COUNTED if _is_counted(report) else ANSWERED
        console.table(*cells(report, columns or usual, shared), stream)
        if usual is ANSWERED:
            say(ANSWERS_MEAN, file=stream or sys.stdout)
    for failure in report.failures:
        console.error(f"{failure.file} on {failure.runtime}: {failure.sentence}", failure.hint)
    for warning in report.warnings:
        console.warn(warning.sentence)
    for sentence in _doubts(report):
        console.warn(sentence)


def tables(report: Report) -> list[Table]:
    """The measurements, then failures and warnings, for a notebook."""
    usual = NARROW if _is_timed(report) else COUNTED if _is_counted(report) else ANSWERED
    head, rows = cells(report, usual)
    shown = [Table(" ".join(_headline(report, "").splitlines()), head, rows)]
    said = [("failure", f"{failure.file} on {failure.runtime}: {failure.sentence}") for failure in report.failures]
    said += [("warning", warning.sentence) for warning in report.warnings]
    said += [(gates.word(gate.outcome), gate.sentence) for gate in report.gates]
    return [*shown, Table("what limits the numbers", (), said)] if said else shown


def cells(report: Report, columns: Sequence[str], shared: str = "") -> tuple[list[str], list[list[str]]]:
    """(head, rows) of the columns named, after the file's name less `shared`.

    The runtime gets a column when a file ran on several; otherwise the file's ending tells it.
    """
    names = [one.file for one in report.measurements]
    if len(set(names)) < len(names) and "runtime" not in columns:
        columns = ("runtime", *columns)
    rows = [[_marked(one, shared), *((COLUMNS | SHORT)[name](one) for name in columns)] for one in report.measurements]
    return ["file", *columns], rows


def _by_run(report: Report) -> tuple[list[str], list[list[str]]]:
    """(head, rows): each run's name on a line of its own, its files below without it."""
    rows: list[list[str]] = []
    names = [one.file for one in report.measurements]
    columns = CHECKED if len(set(names)) == len(names) else ("runtime", *CHECKED)
    for run in dict.fromkeys(one.run for one in report.measurements):
        own = tuple(one for one in report.measurements if one.run == run)
        _, below = cells(dataclasses.replace(report, measurements=own), columns, f"{run}-")
        rows += [[str(run), *[""] * len(columns)], *below]
    return ["file", *columns], rows


def markdown(report: Report) -> str:
    """The report as a Markdown page: what was measured where, the whole table, the warnings."""
    machine = report.environment
    timed = _is_timed(report)
    head, rows = cells(report, tuple(name for name in COLUMNS if timed or name not in TIMED))
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    memory = f"{machine.memory_bytes / 1e9:.1f} GB" if machine.memory_bytes else "memory unknown"
    facts = (
        f"{environment.machine_name(machine)}, {machine.arch}, {machine.cores} cores, {memory}, "
        f"fingerprint {environment.fingerprint(machine)}",
        f"{machine.os}, {machine.kernel}, {machine.libc}, Python {machine.python}, edgecnn {machine.edgecnn}",
    )
    lines = [
        f"# {escapes.markdown(f'{report.board}, {report.date}')}",
        "",
        f"    {escapes.line(report.command)}",
        "",
        *(f"- {escapes.markdown(fact)}" for fact in (*facts, packages, how(report))),
        "",
        console.markdown_table(head, escapes.markdown_cells(rows)),
        *(TIMES_MEAN if timed else COUNTS_MEAN if _is_counted(report) else (ANSWERS_MEAN,)),
        *NUMBERS_MEAN,
    ]
    follows = instruction_counts.sentences([report]) if not timed else []
    lines += ["", *(f"- {sentence}" for sentence in follows)] if follows else []
    pictures = {one.end_to_end.picture for one in report.measurements if one.end_to_end}
    lines += [f"End-to-end pictures: {escapes.markdown('; '.join(sorted(pictures)))}."] if pictures else []
    notes = [f"{failure.file} on {failure.runtime} failed: {failure.sentence}" for failure in report.failures]
    notes += [f"{warning.kind}: {warning.sentence}" for warning in report.warnings]
    notes = [f"- {escapes.markdown(note)}" for note in (*notes, *_doubts(report))]
    held = [f"- {gates.word(gate.outcome)}: {escapes.markdown(gate.sentence)}" for gate in report.gates]
    lines += ["", "## Gates", "", *held] if held else []
    return "\n".join([*lines, *(["", "## Warnings", "", *notes] if notes else [])]) + "\n"


def write_markdown(report: Report, path: Path) -> None:
    """Write the page, atomically. Raises OutputError."""
    files.write_text(path, markdown(report))


def _is_timed(report: Report) -> bool:
    return any(one.is_timed for one in report.measurements) or not report.measurements


def _is_counted(report: Report) -> bool:
    return any(one.summary.instructions_n for one in report.measurements)


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
    """What, where and how, a line each."""
    what = f"{shared}*" if shared else f"{len({one.file for one in report.measurements})} files"
    used = sorted({f"{one.runtime} {one.runtime_version}" for one in report.measurements})
    where = environment.machine_name(report.environment)
    return f"{', '.join([what, *used])}\non {where}\n{how(report)}"


def how(report: Report) -> str:
    """Threads, rounds, samples and pictures behind the numbers."""
    summaries = [one.summary for one in report.measurements]
    if not summaries:
        return "nothing was measured"
    threads = report.measurements[0].num_threads
    pictures = sorted({s.top1_n for s in summaries if s.top1_n})
    scored = f", top-1 on {' or '.join(f'{n:,}' for n in pictures)} test pictures" if pictures else ""
    runs = [s.samples if s.samples else s.instructions_n or 0 for s in summaries]
    samples = f"{min(runs):,}" if min(runs) == max(runs) else f"{min(runs):,} to {max(runs):,}"
    how = (
        f"{summaries[0].rounds} rounds, {samples} timed runs"
        if _is_timed(report)
        else f"{samples} counts of instructions"
        if _is_counted(report)
        else "answers alone"
    )
    size = f"input {report.suite['input']}" if report.suite.get("input") else "batch 1"
    return f"{threads} thread{'s' if threads > 1 else ''}, {size}, {how}{scored}"


def _shared_prefix(names: Sequence[str]) -> str:
    """The dash-separated words all names begin with: the run's name, said once above the table."""
    words = [name.split("-") for name in names]
    shared = []
    for column in zip(*(one[:-1] for one in words), strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0] + "-")
    return "".join(shared) if len(set(names)) > 1 else ""
