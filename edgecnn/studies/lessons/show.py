"""Prints lessons: their titles, or their numbers and what each claim was held to be."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecnn.common import console, documents
from edgecnn.common.escapes import say
from edgecnn.common.units import digits
from edgecnn.studies.findings import Claim, Lesson, Number

WIDTH = 80
"""Columns of the printed text."""

VERDICTS = {True: "holds", False: "does not hold", None: "cannot tell"}


def show_titles(titles: Mapping[str, str], as_json: bool = False) -> None:
    """List the lessons by name and title."""
    if as_json:
        say(documents.to_json(titles))
        return
    room = max(map(len, titles)) + 2
    for name, title in titles.items():
        say(textwrap.fill(title, WIDTH, initial_indent=f"{name:<{room}}", subsequent_indent=" " * room))
    console.note("edgecnn lesson NAME measures one, `edgecnn lesson all --quick` all of them in their small form")


def show_json(measured: Sequence[Lesson], output: Path) -> None:
    """Print the files of lessons, as they lie in `output`, as one list."""
    say(documents.to_json([documents.table(output / f"{lesson.name}.json") for lesson in measured]))


def show(lesson: Lesson, output: Path) -> None:
    """Print a lesson: its numbers, then each claim with what was expected and what was measured."""
    say(textwrap.fill(f"{lesson.name}: {lesson.title}", WIDTH))
    say()
    say("\n".join(numbers_table(lesson.numbers)))
    for claim in lesson.claims:
        say()
        say("\n".join(claim_lines(claim)))
    say()
    form = "quick form, coarse, " if lesson.quick else ""
    written = ", ".join(str(output / name) for name in (f"{lesson.name}.json", *lesson.pictures))
    say(f"{form}{lesson.elapsed_s:.0f} s; {written}")
    say()


def numbers_table(numbers: Sequence[Number]) -> list[str]:
    """Format numbers as lines with name, value and unit, 95 % interval, and n; a long name is wrapped."""
    rows = [(number.name, value_text(number), interval_text(number), n_text(number)) for number in numbers]
    rows = [("", "value", "95 % interval", "n"), *rows]
    values, intervals, ns = (max(len(row[column]) for row in rows) for column in (1, 2, 3))
    room = max(20, WIDTH - values - intervals - ns - 6)
    lines = []
    for name, value, interval, n in rows:
        *above, last = textwrap.wrap(name, room, subsequent_indent="  ") or [""]
        lines += above
        lines.append(f"{last:<{room}}  {value:>{values}}  {interval:>{intervals}}  {n:>{ns}}".rstrip())
    return lines


def claim_lines(claim: Claim) -> list[str]:
    """Format a claim as wrapped lines: expected, measured, verdict."""
    lines = []
    for word, sentence in (("expected", claim.expected), ("measured", claim.measured)):
        lines += textwrap.wrap(sentence, WIDTH, initial_indent=f"{word:<10}", subsequent_indent=" " * 10)
    return [*lines, f"{'':<10}-> {VERDICTS[claim.holds]}"]


def value_text(number: Number) -> str:
    """Format a value with its unit; a count without decimals."""
    text = f"{number.value:,.0f}" if number.low is None and float(number.value).is_integer() else _figure(number.value)
    return f"{text} {number.unit}".rstrip()


def interval_text(number: Number) -> str:
    return "" if number.low is None or number.high is None else f"[{_figure(number.low)}, {_figure(number.high)}]"


def n_text(number: Number) -> str:
    return "" if number.n is None else f"{number.n:,} {number.n_of}".rstrip()


def _figure(value: float) -> str:
    """Format with three significant digits, with an exponent only near 0."""
    return f"{value:.1e}" if 0 < abs(value) < 0.005 else digits(value)
