"""A lesson on the page: its claims and what came of them, its pictures, its numbers."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from edgecnn.studies.findings import Lesson, Number
from edgecnn.studies.page.gather import Taught
from edgecnn.studies.page.tables import NONE, Table, figure


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One lesson as the page shows it."""

    key: str
    lesson: Lesson
    machine: int
    claims: Table
    numbers: Table
    pictures: tuple[tuple[str, str, str], ...]
    """(data: address, caption, what it says in figures)."""


def shown(key: str, one: Taught, machine: int) -> Shown:
    """The lesson under that key, measured on the machine of that number."""
    told = " ".join(claim.measured for claim in one.lesson.claims)
    return Shown(
        key=key,
        lesson=one.lesson,
        machine=machine,
        claims=_claims(key, one.lesson),
        numbers=_numbers(key, one.lesson, f"machine {machine}"),
        pictures=tuple(
            (f"data:image/png;base64,{base64.b64encode(data).decode()}", caption, f"{caption} {told}")
            for data, caption in zip(one.pictures, one.lesson.captions, strict=True)
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


def _numbers(key: str, lesson: Lesson, where: str) -> Table:
    return Table(
        key=f"{key}-numbers",
        caption=f"The numbers, {where}. Without an interval: exact.",
        head=("number", "value", "95 % interval", "unit", "n"),
        rows=[
            (
                one.name,
                figure(one.value),
                NONE if one.low is None or one.high is None else f"[{figure(one.low)}, {figure(one.high)}]",
                one.unit or NONE,
                _n(one),
            )
            for one in lesson.numbers
        ],
        words=("unit", "n"),
        prose=("number",),
    )


def _n(one: Number) -> str:
    return NONE if one.n is None else f"{one.n:,} {one.n_of}".rstrip()
