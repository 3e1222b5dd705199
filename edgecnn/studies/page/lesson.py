"""A lesson on the page: its claims with their outcomes, its pictures, and its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.studies.findings import Lesson, Number
from edgecnn.studies.page import thumbnails
from edgecnn.studies.page.gather import Taught
from edgecnn.studies.page.tables import NONE, Table, figure


@dataclass(frozen=True, kw_only=True)
class ShownLesson:
    """A lesson as the page shows it."""

    key: str
    lesson: Lesson
    machine: int
    claims: Table
    numbers: Table
    pictures: tuple[tuple[str, str, str], ...]
    """(data URL, caption, description of the values) of each picture."""


def shown(key: str, taught: Taught, machine: int) -> ShownLesson:
    """Build the page's form of a lesson, with ids that begin with `key`, measured on machine number `machine`."""
    description = " ".join(claim.measured for claim in taught.lesson.claims)
    return ShownLesson(
        key=key,
        lesson=taught.lesson,
        machine=machine,
        claims=_claims(key, taught.lesson),
        numbers=_numbers(key, taught.lesson, f"machine {machine}"),
        pictures=tuple(
            (thumbnails.lossless(data), caption, f"{caption} {description}")
            for data, caption in zip(taught.pictures, taught.lesson.captions, strict=True)
        ),
    )


def _claims(key: str, lesson: Lesson) -> Table:
    words = {True: "holds", False: "does not hold", None: "cannot tell"}
    return Table(
        key=f"{key}-claims",
        caption="What the textbook says, and what came out here.",
        head=("expected", "measured", "outcome"),
        rows=[(claim.expected, claim.measured, words[claim.holds]) for claim in lesson.claims],
        words=("outcome",),
        prose=("expected", "measured"),
    )


def _numbers(key: str, lesson: Lesson, machine: str) -> Table:
    return Table(
        key=f"{key}-numbers",
        caption=f"The numbers, {machine}. Without an interval: exact.",
        head=("number", "value", "95 % interval", "unit", "n"),
        rows=[
            (
                number.name,
                figure(number.value),
                NONE if number.low is None or number.high is None else f"[{figure(number.low)}, {figure(number.high)}]",
                number.unit or NONE,
                _n(number),
            )
            for number in lesson.numbers
        ],
        words=("unit", "n"),
        prose=("number",),
    )


def _n(number: Number) -> str:
    return NONE if number.n is None else f"{number.n:,} {number.n_of}".rstrip()
