"""A page for each lesson, with its claims, verdicts, numbers and pictures, and one that lists them all."""

from __future__ import annotations

import inspect
from pathlib import Path

import record
from benches import how_measured
from reading import docstring

from edgecnn.common import console
from edgecnn.studies import findings, lessons
from edgecnn.studies.findings import Lesson, Number

FOLDER = record.RESULTS / "lessons"
VERDICTS = {True: "holds", False: "does not hold", None: "cannot tell"}
COUNTED = {True: "hold", False: "do not hold", None: "cannot be told"}


def measured() -> list[Lesson]:
    """Return all recorded lessons, by name."""
    return [findings.read(Lesson, path) for path in sorted(FOLDER.glob("*.json"))]


def pages() -> dict[str, str]:
    """Return the file name and the text of each lesson's page."""
    return {f"lesson-{lesson.name}.md": _page(lesson) for lesson in measured()}


def pictures() -> list[Path]:
    """Return the pictures of all lessons."""
    return [FOLDER / name for lesson in measured() for name in lesson.pictures]


def verdicts() -> str:
    """Return how every claim came out, and in full those of the textbook that did not hold."""
    every = [(lesson, claim) for lesson in measured() for claim in lesson.claims]
    counts = ", ".join(f"{sum(claim.holds == holds for _, claim in every)} {word}" for holds, word in COUNTED.items())
    against = [
        f"- [{lesson.name}](lesson-{lesson.name}.md): *{claim.expected}* {claim.measured}"
        for lesson, claim in every
        if claim.holds is False
    ]
    rows = [
        [f"[{lesson.name}](lesson-{lesson.name}.md)", claim.expected, VERDICTS[claim.holds]] for lesson, claim in every
    ]
    first = measured()[0]
    return "\n".join(
        [
            f"{len(every)} claims of the textbook: {counted_words(counts)}. (`edgecnn lesson all`; {how_measured(first)})\n",
            "Against the textbook:\n",
            *against,
            "",
            console.markdown_table(["lesson", "the textbook says", "here it"], rows),
        ]
    )


def counted_words(counts: str) -> str:
    """Return a list of counts with "and" before the last."""
    before, _, last = counts.rpartition(", ")
    return f"{before} and {last}"


def _page(lesson: Lesson) -> str:
    about = docstring(lessons.get(lesson.name)).text.partition("\n\n")
    shown = [
        f"![{caption}](../images/{name})\n\n*{caption}*\n"
        for name, caption in zip(lesson.pictures, lesson.captions, strict=True)
    ]
    claims = [
        f"- *{claim.expected}* **{VERDICTS[claim.holds].capitalize()}.** {claim.measured}" for claim in lesson.claims
    ]
    rows = [
        (number.name, _value(number), f"{number.n:,} {number.n_of}" if number.n else "") for number in lesson.numbers
    ]
    return "\n".join(
        [
            f"# {lesson.name.replace('-', ' ').capitalize()}\n",
            f"{lesson.title}.\n",
            f"{inspect.cleandoc(about[2])}\n",
            "## What was measured\n",
            *claims,
            "",
            *shown,
            "## Every number\n",
            console.markdown_table(("what", "value [95 %]", "n"), rows),
            f"Measured by `{lesson.command}` in {lesson.elapsed_s / 60:.0f} minutes; {how_measured(lesson)}. "
            f"`edgecnn lesson {lesson.name} --quick` is a small form of it, in a minute or so.\n",
        ]
    )


def _value(number: Number) -> str:
    unit = f" {number.unit}" if number.unit else ""
    interval = f" [{_rounded(number.low)}, {_rounded(number.high)}]" if number.low is not None else ""
    return f"{_rounded(number.value)}{interval}{unit}"


def _rounded(value: float | None) -> str:
    """Return a value with four digits that count."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
