"""The confusions of a file as a figure: a row for each true class, a column for each answer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from math import sqrt
from typing import TYPE_CHECKING

from edgecnn.errors import MissingPackage
from edgecnn.records.evaluation import FileScore
from edgecnn.studies.page.svg import Picture

if TYPE_CHECKING:
    from markupsafe import Markup

LARGEST = 640
"""Side in pixels of the cells of many classes."""
MOST_NAMED = 40
"""The most classes whose names have room."""
MOST_NUMBERED = 20
"""The most classes whose cells have room for a number."""
LONGEST_NAME = 14
MOST_SPOTS = 120
"""How many cells can be pointed at; of many classes, those of the commonest confusions."""
MOST_CELLS = 3_000
"""How many cells are drawn; of many classes, those of the commonest confusions and all right answers."""
LEVELS = 12
"""Shades of a colour; cells of many classes that have the same one are drawn as one path."""


def confusion(key: str, file: FileScore) -> Picture:
    """Draw the confusions of a file; colours follow the style sheet."""
    try:
        from markupsafe import Markup
    except ImportError as error:
        raise MissingPackage(str(error.name), "train", "The report page") from error

    count = len(file.classes)
    side = min(36, max(4, LARGEST // count))
    is_named = count <= MOST_NAMED
    names = [_short(score.label) for score in file.classes]
    margin = max(44, 24 + 7 * max(map(len, names))) if is_named else 22
    width = height = margin + count * side + 2
    labels = _labels(names, side, margin) if is_named else ()
    parts = [*_cells(file, side, margin), *labels, *_axes(margin, side, count)]
    title = Markup("<title id='{0}-title'>{1}</title><desc id='{0}-desc'>{2}</desc>").format(
        key, f"Confusions of {file.file}", _told(file)
    )
    svg = Markup(
        '<svg role="graphics-document" aria-labelledby="{key}-title {key}-desc" class="matrix" '
        'style="--width: {width}px" viewBox="0 0 {width} {height}">\n{title}\n{body}</svg>'
    ).format(key=key, width=width, height=height, title=title, body=Markup("\n").join(parts))
    numbers = ", in percent of the row" if count <= MOST_NUMBERED else ""
    if sum(cell > 0 for row in file.confusion for cell in row) > MOST_CELLS:
        numbers = f"; only the {MOST_CELLS:,} largest cells are drawn"
    return Picture(
        key=key,
        svg=svg,
        caption=f"{file.file}: true class by row, answer by column{numbers}. Blue: right; orange: wrong. The shade "
        "follows the square root of the share, so that rare confusions are seen.",
    )


def _cells(file: FileScore, side: int, margin: int) -> Iterator[Markup]:
    """Yield the cells: those that can be pointed at each, the rest of a shade as one path."""
    from markupsafe import Markup

    filled = [
        (count, truth, answer, count / sum(row))
        for truth, row in enumerate(file.confusion)
        for answer, count in enumerate(row)
        if count
    ]
    ranked = sorted(filled, key=lambda cell: (cell[1] == cell[2], -cell[3], cell[1], cell[2]))
    if len(filled) > MOST_CELLS:
        filled = sorted(filled, key=lambda cell: (cell[1] != cell[2], -cell[3]))[:MOST_CELLS]
    spots = set(ranked if len(ranked) <= MOST_SPOTS else ranked[:MOST_SPOTS])
    plain = sorted((_look(*cell), cell) for cell in filled if cell not in spots)
    for look, cells in groupby(plain, key=lambda item: item[0]):
        corners = ((margin + side * answer, margin + side * truth) for _, (_, truth, answer, _) in cells)
        path = "".join(f"M{x} {y}h{side}v{side}h-{side}z" for x, y in corners)
        yield Markup('<path d="{}" {}/>').format(path, Markup(look))
    is_numbered = len(file.classes) <= MOST_NUMBERED
    labels = [score.label for score in file.classes]
    for cell in filter(spots.__contains__, filled):
        count, truth, answer, share = cell
        x, y = margin + side * answer, margin + side * truth
        number = f"{100 * share:.0f}" if share >= 0.01 else "<1"
        text = Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
            x + side / 2, y + side / 2 + 4, number
        )
        called = "so" if truth == answer else labels[answer]
        counted = f"{count:,} of {sum(file.confusion[truth]):,}"
        words = f"{100 * share:.1f} % of {labels[truth]} is called {called} ({counted})"
        yield Markup(
            '<g class="spot" role="graphics-symbol" aria-label="{words}"><title>{words}</title>'
            '<rect x="{x}" y="{y}" width="{side}" height="{side}" {look}/>{text}</g>'
        ).format(words=words, x=x, y=y, side=side, look=Markup(_look(*cell)), text=text if is_numbered else "")


def _look(count: int, truth: int, answer: int, share: float) -> str:
    """Return the fill of a cell; at most so dark that text stands out from it."""
    level = max(1, round(LEVELS * sqrt(share))) / LEVELS
    return f'fill="var(--series-{1 if truth == answer else 2})" fill-opacity="{0.55 * level:.2f}"'


def _labels(names: list[str], side: int, margin: int) -> Iterator[Markup]:
    from markupsafe import Markup

    for index, name in enumerate(names):
        place = margin + side * index + side / 2
        yield Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(margin - 6, place + 4, name)
        yield Markup('<text transform="translate({} {}) rotate(-90)">{}</text>').format(place + 4, margin - 6, name)


def _axes(margin: int, side: int, count: int) -> Iterator[Markup]:
    from markupsafe import Markup

    whole, middle = side * count, margin + side * count / 2
    yield Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="none" stroke="var(--rule)"/>').format(
        margin, margin, whole, whole
    )
    yield Markup('<text x="{}" y="12" text-anchor="middle" class="axis">answer</text>').format(middle)
    yield Markup(
        '<text transform="translate(12 {}) rotate(-90)" text-anchor="middle" class="axis">true class</text>'
    ).format(middle)


def _told(file: FileScore) -> str:
    """Return the figure's values in words: the accuracy, and the commonest confusions."""
    labels = [score.label for score in file.classes]
    wrong = sorted(
        (
            (count / sum(row), count, labels[truth], labels[answer])
            for truth, row in enumerate(file.confusion)
            for answer, count in enumerate(row)
            if count and truth != answer
        ),
        reverse=True,
    )[:5]
    told = [f"{100 * share:.1f} % of {truth} is called {answer} ({count:,})" for share, count, truth, answer in wrong]
    return f"Top-1 is {file.top1}, n = {file.n:,}. {'; '.join(told) or 'No picture is called by a wrong name'}."


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_NAME else f"{label[: LONGEST_NAME - 1]}…"
