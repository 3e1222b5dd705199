"""Figures in one style, with Okabe and Ito's colours, which every kind of colour vision can tell apart."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.common import escapes, files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
FAMILIES = {"dscnn": BLUE, "mlp": VERMILION, "vit": GREEN}
"""Colours of the net families, the same in every figure."""


class Estimate(Protocol):
    """An estimate and the ends of its interval, None where it has none."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def panels(columns: int, rows: int = 1, width: float = 9.0, height: float = 3.6) -> tuple[Figure, Any]:
    """Make a figure with a grid of axes.

    Returns:
        The figure, and an array of axes (rows, columns), squeezed to one dimension where one of the two is 1.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns)


def with_intervals(axes: Any, xs: Sequence[float], numbers: Sequence[Estimate], label: str, **style: Any) -> None:
    """Draw a line through estimates, with error bars for those that have an interval."""
    ys = [estimate.value for estimate in numbers]
    lows = [estimate.value if estimate.low is None else estimate.low for estimate in numbers]
    highs = [estimate.value if estimate.high is None else estimate.high for estimate in numbers]
    errors = [[y - low for y, low in zip(ys, lows, strict=True)], [high - y for y, high in zip(ys, highs, strict=True)]]
    axes.errorbar(xs, ys, errors, label=label, capsize=3, **style)


@dataclass(frozen=True)
class Shown:
    """One image of a contact sheet, with its words."""

    image: npt.NDArray[np.uint8]
    """(H, W, C), C is 1 or 3."""
    title: str
    lines: tuple[tuple[str, str], ...]
    """What stands below the title, each with its colour."""


def contact_sheet(path: Path, shown: Sequence[Shown], title: str, columns: int = 6) -> None:
    """Draw images in rows with their words above them, and write the PNG.

    Raises:
        OutputError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(1.75 * columns, 2.25 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for cell in axes.flat:
        cell.set_axis_off()
    for cell, item in zip(axes.flat, shown, strict=False):
        grey = item.image.shape[2] == 1
        cell.imshow(item.image[:, :, 0] if grey else item.image, cmap="gray" if grey else None, vmin=0, vmax=255)
        cell.set_title(item.title, fontsize=8, pad=7 + 11 * len(item.lines))
        for line, (words, colour) in enumerate(item.lines):
            cell.annotate(
                words,
                (0.5, 1.0),
                xytext=(0, 4 + 11 * (len(item.lines) - 1 - line)),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=7,
                color=colour,
            )
    figure.suptitle(title, fontsize=8)
    save(figure, path, dpi=120)


def save(figure: Figure, path: Path, dpi: int = 130) -> None:
    """Write a figure as PNG, atomically, with all text drawn literally.

    Raises:
        OutputError: The file cannot be written.
    """
    take_literally(figure)
    with files.replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a name may be in any script
        figure.savefig(temporary, dpi=dpi, format="png", metadata={"Software": None})


def take_literally(figure: Figure) -> None:
    """Turn mathematical notation off in all text, except powers of ten on log axes, and escape control characters."""
    from matplotlib.text import Text
    from matplotlib.ticker import LogFormatter

    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)
        text.set_text(escapes.text(text.get_text()))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatter):
            for label in axis.get_ticklabels(which="both"):
                label.set_parse_math(True)
