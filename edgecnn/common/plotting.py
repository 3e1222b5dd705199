"""Pictures in the house's style: Okabe and Ito's colours, told apart by every kind of colour vision."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edgecnn.common import escapes, files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
FAMILIES = {"dscnn": BLUE, "mlp": VERMILION, "vit": GREEN}
"""A net has the same colour in every picture."""


class Estimate(Protocol):
    """A number and the ends of its interval, None where it has none."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def panels(columns: int, rows: int = 1, width: float = 9.0, height: float = 3.6) -> tuple[Figure, Any]:
    """(figure, axes): an array of axes (rows, columns), of one dimension where one of the two is 1."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns)


def with_intervals(axes: Any, xs: Sequence[float], numbers: Sequence[Estimate], label: str, **style: Any) -> None:
    """A line through the numbers, each with its interval where it has one."""
    ys = [one.value for one in numbers]
    lows = [one.value if one.low is None else one.low for one in numbers]
    highs = [one.value if one.high is None else one.high for one in numbers]
    errors = [[y - low for y, low in zip(ys, lows, strict=True)], [high - y for y, high in zip(ys, highs, strict=True)]]
    axes.errorbar(xs, ys, errors, label=label, capsize=3, **style)


def save(figure: Figure, path: Path, dpi: int = 130) -> None:
    """Write it as PNG, atomically; all its text is drawn letter by letter. Raises OutputError."""
    take_literally(figure)
    with files.replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a name may be in any script
        figure.savefig(temporary, dpi=dpi, format="png", metadata={"Software": None})


def take_literally(figure: Figure) -> None:
    """No text of the figure is parsed as mathematics, but for powers of ten, and none holds control characters."""
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
