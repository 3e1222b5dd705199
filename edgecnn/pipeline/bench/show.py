"""Shows a report to people: the table on stdout and the Markdown file."""

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
from edgecnn.records.measurement import Measurement, p50
from edgecnn.records.notebook import HtmlTable
from edgecnn.records.report import Report

NARROW = ("kB", "top-1 % [95 %]", "p50 [95 %]", "p99", "peak MB")
"""Columns for the files of one run, in 80 characters."""
CHECKED = ("kB", "top-1 % [95 %]", "drop", "agree", "p50", "p99", "MB")
"""Columns for the files of several runs, in 80 characters, with the check of each file against its run."""
CHECKED_MEAN = "drop: accuracy lost against the run, pp; agree: same answer as the run, %; MB: peak memory"
COUNTED = ("kB", "top-1 % [95 %]", "p50 [95 %]", "instructions", "peak MB")
"""Columns for a board that keeps no time but counts instructions."""
ANSWERED = ("kB", "top-1 % [95 %]", "drop pp", "agree %", "golden")
"""Columns for a board that neither keeps time nor counts instructions."""


def _top1(measurement: Measurement) -> str:
    s = measurement.summary
    if s.top1_percent is None or s.top1_low_percent is None or s.top1_high_percent is None:
        return "-"
    return f"{s.top1_percent:.2f} [{s.top1_low_percent:.1f}, {s.top1_high_percent:.1f}]"


def _end_to_end(measurement: Measurement) -> str:
    total, decode = measurement.summary.end_to_end_p50_ms, measurement.summary.end_to_end_decode_p50_ms
    return f"{duration(total)} (decode {duration(decode)})" if total is not None and decode is not None else "-"


def _latency(measurement: Measurement) -> str:
    return interval(*p50(measurement)) if measurement.is_timed else "emulated"


def _instructions(measurement: Measurement) -> str:
    """Return the median and the largest distance of a count from it."""
    s = measurement.summary
    if s.instructions_p50 is None or s.instructions_min is None or s.instructions_max is None:
        return "-"
    spread = max(s.instructions_max - s.instructions_p50, s.instructions_p50 - s.instructions_min)
    return f"{digits(s.instructions_p50 / 1000)} k ±{100 * spread / s.instructions_p50:.2f} %"


def _golden(measurement: Measurement) -> str:
    if measurement.golden is None:
        return "-"
    if measurement.golden.max_lsb:
        return f"{measurement.golden.max_lsb} LSB"
    return f"{measurement.golden.max_relative:.0e}" if measurement.golden.max_relative else measurement.golden.verdict


COLUMNS: dict[str, Callable[[Measurement], str]] = {
    "runtime": lambda m: m.runtime,
    "precision": lambda m: m.precision,
    "kB": lambda m: digits(m.bytes / 1000),
    "top-1 % [95 %]": _top1,
    "drop pp": lambda m: f"{m.verdict.drop_pp:+.2f}" if m.verdict else "-",
    "agree %": lambda m: f"{m.verdict.agreement_percent:.2f}" if m.verdict else "-",
    "p50 [95 %]": _latency,
    "p90": lambda m: duration(m.summary.p90_ms),
    "p99": lambda m: duration(m.summary.p99_ms),
    "init": lambda m: duration(m.summary.init_ms),
    "first": lambda m: duration(m.summary.first_ms),
    "end-to-end p50": _end_to_end,
    "planned kB": lambda m: digits(m.planned_activation_peak_bytes / 1000),
    "peak MB": lambda m: "-" if m.summary.peak_rss_bytes is None else digits(m.summary.peak_rss_bytes / 1e6),
    "samples": lambda m: f"{m.summary.samples:,}",
    "instructions": _instructions,
    "golden": _golden,
    "verdict": lambda m: m.validity.verdict,
}

SHORT: dict[str, Callable[[Measurement], str]] = {
    "drop": COLUMNS["drop pp"],
    "agree": lambda m: f"{m.verdict.agreement_percent:.1f}" if m.verdict else "-",
    "p50": lambda m: duration(m.summary.p50_ms) if m.is_timed else "emulated",
    "MB": COLUMNS["peak MB"],
}
"""Narrower forms of columns, used by CHECKED and explained by CHECKED_MEAN."""


TIMED = ("p90", "p99", "init", "first", "end-to-end p50", "samples", "verdict")
"""Columns left out for a board that keeps no time."""
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

    Args:
        report: The report to show.
        columns: Names from COLUMNS; None takes NARROW for the files of one run and CHECKED for several runs, or
            COUNTED or ANSWERED for a board that keeps no time.
        stream: Where to print instead of stdout.
    """
    runs = {m.run for m in report.measurements}
    shared = _shared_prefix([m.file for m in report.measurements])
    say(_headline(report, shared), file=stream or sys.stdout)
    by_run = len(runs) > 1 and None not in runs and columns is None and _is_timed(report)
    if by_run:
        console.table(*_by_run(report), stream)
        say(CHECKED_MEAN, file=stream or sys.stdout)
    else:
        default = NARROW if _is_timed(report) else COUNTED if _is_counted(report) else ANSWERED
        console.table(*cells(report, columns or default, shared), stream)
        if default is ANSWERED:
            say(ANSWERS_MEAN, file=stream or sys.stdout)
    for failure in report.failures:
        console.error(f"{failure.file} on {failure.runtime}: {failure.sentence}", failure.hint)
    for warning in report.warnings:
        console.warn(warning.sentence)
    for sentence in _doubts(report):
        console.warn(sentence)


def tables(report: Report) -> list[HtmlTable]:
    """Return the measurements, then failures and warnings, for a notebook."""
    usual = NARROW if _is_timed(report) else COUNTED if _is_counted(report) else ANSWERED
    head, rows = cells(report, usual)
    shown = [HtmlTable(" ".join(_headline(report, "").splitlines()), head, rows)]
    said = [("failure", f"{failure.file} on {failure.runtime}: {failure.sentence}") for failure in report.failures]
    said += [("warning", warning.sentence) for warning in report.warnings]
    said += [(gates.word(gate.outcome), gate.sentence) for gate in report.gates]
    return [*shown, HtmlTable("what limits the numbers", (), said)] if said else shown


def cells(report: Report, columns: Sequence[str], shared: str = "") -> tuple[list[str], list[list[str]]]:
    """Return (head, rows) of the table.

    The runtime gets a column if a file ran on several; otherwise the file's ending tells it.

    Args:
        report: The report to show.
        columns: Names from COLUMNS or SHORT.
        shared: A prefix of the file names that is left out.
    """
    names = [m.file for m in report.measurements]
    if len(set(names)) < len(names) and "runtime" not in columns:
        columns = ("runtime", *columns)
    rows = [[_marked(m, shared), *((COLUMNS | SHORT)[name](m) for name in columns)] for m in report.measurements]
    return ["file", *columns], rows


def _by_run(report: Report) -> tuple[list[str], list[list[str]]]:
    """Return (head, rows) with each run's name on a line of its own, above its files."""
    rows: list[list[str]] = []
    names = [m.file for m in report.measurements]
    columns = CHECKED if len(set(names)) == len(names) else ("runtime", *CHECKED)
    for run in dict.fromkeys(m.run for m in report.measurements):
        own = tuple(m for m in report.measurements if m.run == run)
        _, below = cells(dataclasses.replace(report, measurements=own), columns, f"{run}-")
        rows += [[str(run), *[""] * len(columns)], *below]
    return ["file", *columns], rows


def markdown(report: Report) -> str:
    """Return the report as a Markdown page: what was measured where, the whole table, the warnings."""
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
    conclusions = instruction_counts.sentences([report]) if not timed else []
    lines += ["", *(f"- {sentence}" for sentence in conclusions)] if conclusions else []
    pictures = {m.end_to_end.picture for m in report.measurements if m.end_to_end}
    lines += [f"End-to-end pictures: {escapes.markdown('; '.join(sorted(pictures)))}."] if pictures else []
    notes = [f"{failure.file} on {failure.runtime} failed: {failure.sentence}" for failure in report.failures]
    notes += [f"{warning.kind}: {warning.sentence}" for warning in report.warnings]
    notes = [f"- {escapes.markdown(note)}" for note in (*notes, *_doubts(report))]
    gate_lines = [f"- {gates.word(gate.outcome)}: {escapes.markdown(gate.sentence)}" for gate in report.gates]
    lines += ["", "## Gates", "", *gate_lines] if gate_lines else []
    return "\n".join([*lines, *(["", "## Warnings", "", *notes] if notes else [])]) + "\n"


def write_markdown(report: Report, path: Path) -> None:
    """Write the report as a Markdown page, atomically.

    Raises:
        OutputError: If the file cannot be written.
    """
    files.write_text(path, markdown(report))


def _is_timed(report: Report) -> bool:
    return any(m.is_timed for m in report.measurements) or not report.measurements


def _is_counted(report: Report) -> bool:
    return any(m.summary.instructions_n for m in report.measurements)


def _marked(measurement: Measurement, shared: str) -> str:
    """Return the file's name less `shared`, marked if the measurement is INVALID."""
    name = measurement.file.removeprefix(shared)
    return f"{name} (INVALID)" if measurement.validity.verdict == "INVALID" else name


def _doubts(report: Report) -> list[str]:
    """Return a sentence for each measurement that is not VALID."""
    return [
        f"{m.file} on {m.runtime} is {m.validity.verdict}: {'; '.join(m.validity.reasons)}."
        for m in report.measurements
        if m.validity.verdict != "VALID"
    ]


def _headline(report: Report, shared: str) -> str:
    """Return three lines: what was measured, where, and how."""
    what = f"{shared}*" if shared else f"{len({m.file for m in report.measurements})} files"
    runtimes = sorted({f"{m.runtime} {m.runtime_version}" for m in report.measurements})
    machine = environment.machine_name(report.environment)
    return f"{', '.join([what, *runtimes])}\non {machine}\n{how(report)}"


def how(report: Report) -> str:
    """Return the threads, rounds, samples and test images behind the numbers, in words."""
    summaries = [m.summary for m in report.measurements]
    if not summaries:
        return "nothing was measured"
    threads = report.measurements[0].num_threads
    pictures = sorted({s.top1_n for s in summaries if s.top1_n})
    scored = f", top-1 on {' or '.join(f'{n:,}' for n in pictures)} test pictures" if pictures else ""
    runs = [s.samples if s.samples else s.instructions_n or 0 for s in summaries]
    samples = f"{min(runs):,}" if min(runs) == max(runs) else f"{min(runs):,} to {max(runs):,}"
    effort = (
        f"{summaries[0].rounds} rounds, {samples} timed runs"
        if _is_timed(report)
        else f"{samples} counts of instructions"
        if _is_counted(report)
        else "answers alone"
    )
    size = f"input {report.suite['input']}" if report.suite.get("input") else "batch 1"
    return f"{threads} thread{'s' if threads > 1 else ''}, {size}, {effort}{scored}"


def _shared_prefix(names: Sequence[str]) -> str:
    """Return the dash-separated words that all file names begin with, mostly the run's name."""
    words = [name.split("-") for name in names]
    shared = []
    for column in zip(*(name_words[:-1] for name_words in words), strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0] + "-")
    return "".join(shared) if len(set(names)) > 1 else ""
