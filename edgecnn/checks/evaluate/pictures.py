"""Draws a file's confusions as a matrix, and its worst mistakes as a contact sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import plotting
from edgecnn.records.evaluation import FileScore

CONFUSION = "confusion.png"
MISTAKES = "mistakes.png"
MOST_NUMBERED = 20
"""The most classes whose cells have room for a number."""
LONGEST_NAME = 24
"""Characters of a picture's name on the sheet; the end is what tells files apart."""


def draw_confusion(file: FileScore, path: Path) -> None:
    """Draw the confusions of a file: a row for each true class, in percent of its pictures.

    Raises:
        OutputError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    table = np.array(file.confusion)
    percent = 100 * table / np.maximum(1, table.sum(1, keepdims=True))
    count = len(table)
    side = min(14.0, max(4.0, 0.42 * count + 2.2))
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    labels = [score.label for score in file.classes]
    axes.set_xticks(range(count), labels, rotation=90, fontsize=8)
    axes.set_yticks(range(count), labels, fontsize=8)
    axes.set_xlabel("answer")
    axes.set_ylabel("true class")
    if count <= MOST_NUMBERED:
        for row in range(count):
            for column in range(count):
                if table[row, column]:
                    colour = "white" if percent[row, column] > 50 else "black"
                    words = f"{percent[row, column]:.0f}"
                    axes.text(column, row, words, ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(image, ax=axes, label="% of the class's pictures", shrink=0.8)
    figure.suptitle(f"{file.file}: top-1 {file.top1}, n {file.n:,}", fontsize=9)
    plotting.save(figure, path)


def draw_mistakes(file: FileScore, images: npt.NDArray[np.uint8], path: Path) -> bool:
    """Draw the worst mistakes of a file, with true class, answer and the picture's name.

    Args:
        file: The file's scores.
        images: All test pictures, uint8 (N, H, W, C).
        path: The PNG to write.

    Returns:
        Whether there was a mistake; without one nothing is written.

    Raises:
        OutputError: The file cannot be written.
    """
    if not file.mistakes:
        return False
    shown = [
        plotting.Shown(
            images[mistake.index],
            mistake.truth,
            (
                (f"as {mistake.answer} {100 * mistake.score:.0f} %", plotting.VERMILION),
                (_end(mistake.picture), "black"),
            ),
        )
        for mistake in file.mistakes
    ]
    wrong = file.n - file.top1.successes
    title = (
        f"{file.file}: the {len(shown)} surest of {wrong:,} mistakes among {file.n:,} pictures\n"
        "true class on top; the answer and its share of the softmax; the picture's file"
    )
    plotting.contact_sheet(path, shown, title)
    return True


def _end(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"...{name[3 - LONGEST_NAME :]}"
