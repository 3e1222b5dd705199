"""The lessons: what the textbook says of CNNs, compared with measurements of real nets.

OUTPUT/
    <lesson>.json       numbers, claims and their provenance (`edgecnn.studies.findings`)
    <lesson>*.png       figures
    runs/<lesson>/      trainings, kept so that a lesson that was stopped can continue
"""

from __future__ import annotations

import datetime
import shlex
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edgecnn.common import console, documents, files
from edgecnn.common.escapes import say
from edgecnn.common.units import digits
from edgecnn.errors import EdgecnnError, MissingPackage, UsageError
from edgecnn.records import environment
from edgecnn.studies import findings, lessons
from edgecnn.studies.findings import Claim, Lesson, Number
from edgecnn.studies.lessons import Setting

ALL = "all"
WIDTH = 80
"""Columns of the printed text."""

VERDICTS = {True: "holds", False: "does not hold", None: "cannot tell"}


def lesson(
    names: Sequence[str], quick: bool, output: Path, tell: Callable[[Lesson], None] = lambda measured: None
) -> list[Lesson]:
    """Measure lessons, and write each into `output`.

    A claim that does not hold is a finding, not a failure. A lesson that cannot be measured stops no other: the first
    error is raised once the rest is done.

    Args:
        names: names of lessons, or "all".
        quick: whether to measure the small form.
        output: folder of results.
        tell: called with each lesson as soon as it is written.

    Raises:
        UsageError: a name is unknown; raised before anything is measured.
        OutputError: `output` cannot be written.
        EdgecnnError: the error of the first lesson that could not be measured.
    """
    chosen = lessons.KIND.names() if ALL in names else tuple(dict.fromkeys(names))
    for name in chosen:
        _known(name)
    files.make_folder(output)
    measured: list[Lesson] = []
    failure: EdgecnnError | None = None
    for name in chosen:
        try:
            measured.append(_measure(name, quick, output))
        except EdgecnnError as error:
            console.error(f"{name}: {error.sentence}", error.hint)
            failure = failure or error
            continue
        tell(measured[-1])
    if failure is not None:
        raise failure
    return measured


def main(names: Sequence[str], quick: bool, output: Path, as_json: bool) -> None:
    """Measure and print the named lessons; without a name, list the lessons."""
    if not names:
        _show_all(as_json)
        return
    measured: list[Lesson] = []
    try:
        lesson(names, quick, output, measured.append if as_json else lambda finished: show(finished, output))
    finally:
        if as_json:
            written = [documents.table(output / f"{finished.name}.json") for finished in measured]
            say(documents.to_json(written))


def show(one: Lesson, output: Path) -> None:
    """Print a lesson: its numbers, then each claim with what was expected and what was measured."""
    say(textwrap.fill(f"{one.name}: {one.title}", WIDTH))
    say()
    say("\n".join(numbers_table(one.numbers)))
    for claim in one.claims:
        say()
        say("\n".join(claim_lines(claim)))
    say()
    form = "quick form, coarse, " if one.quick else ""
    say(f"{form}{one.elapsed_s:.0f} s; {', '.join(str(output / name) for name in (f'{one.name}.json', *one.pictures))}")
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


def value_text(one: Number) -> str:
    """Format a value with its unit; a count without decimals."""
    text = f"{one.value:,.0f}" if one.low is None and float(one.value).is_integer() else _figure(one.value)
    return f"{text} {one.unit}".rstrip()


def interval_text(one: Number) -> str:
    return "" if one.low is None or one.high is None else f"[{_figure(one.low)}, {_figure(one.high)}]"


def n_text(one: Number) -> str:
    return "" if one.n is None else f"{one.n:,} {one.n_of}".rstrip()


def _figure(value: float) -> str:
    """Format with three significant digits, with an exponent only near 0."""
    return f"{value:.1e}" if 0 < abs(value) < 0.005 else digits(value)


def _measure(name: str, quick: bool, output: Path) -> Lesson:
    teachable = _known(name)
    runs = files.make_folder(output / "runs" / name)
    console.note(f"{name}: {teachable.TITLE}")
    started = time.perf_counter()
    try:
        result = teachable.measure(Setting(folder=output, runs=runs, quick=quick))
    except ModuleNotFoundError as error:
        raise MissingPackage(str(error.name), "train", f"The lesson {name}") from error
    finished = Lesson(
        name=name,
        title=teachable.TITLE,
        command=shlex.join(["edgecnn", "lesson", name, *(["--quick"] if quick else [])]),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        quick=quick,
        environment=environment.here(),
        elapsed_s=time.perf_counter() - started,
        numbers=result.numbers,
        claims=result.claims,
        pictures=tuple(result.pictures),
        captions=tuple(result.pictures.values()),
        settings=result.settings,
    )
    findings.write(finished, output / f"{name}.json")
    return finished


def _known(name: str) -> lessons.Teachable:
    try:
        return lessons.get(name)
    except UsageError as error:
        raise UsageError(error.sentence, f"{error.hint}; or {ALL!r}") from error


def _show_all(as_json: bool) -> None:
    titles = {name: lessons.get(name).TITLE for name in lessons.KIND.names()}
    if as_json:
        say(documents.to_json(titles))
        return
    room = max(map(len, titles)) + 2
    for name, title in titles.items():
        say(textwrap.fill(title, WIDTH, initial_indent=f"{name:<{room}}", subsequent_indent=" " * room))
    console.note("edgecnn lesson NAME measures one, `edgecnn lesson all --quick` all of them in their small form")
