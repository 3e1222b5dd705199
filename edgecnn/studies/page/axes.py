"""What several figures do to their axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

WIDTH = 9.6
"""Inches: the width of the page's text."""


def name_points(axes: Any, labelled: Sequence[tuple[str, str, float, float]]) -> None:
    """(name, colour, x, y) of each point: its name in the right margin, none over another, and a line to it."""
    ordered = sorted(labelled, key=lambda item: (-item[3], item[2], item[0]))
    heights = np.linspace(0.97, 0.03, len(ordered)) if len(ordered) > 1 else [0.5]
    for (text, colour, x, y), height in zip(ordered, heights, strict=True):
        line = {"arrowstyle": "-", "linewidth": 0.6, "color": colour, "alpha": 0.5, "relpos": (0, 0.5)}
        axes.annotate(
            text,
            xy=(x, y),
            xytext=(1.04, float(height)),
            textcoords="axes fraction",
            va="center",
            annotation_clip=False,
            arrowprops={**line, "shrinkA": 1, "shrinkB": 4},
            zorder=1,
        )


def cost_axis(axes: Any, values: Sequence[float], steps: Sequence[float] = (1.0, 2.0, 5.0)) -> None:
    """Logarithmic where the values lie far apart."""
    if min(values) > 0 and max(values) / min(values) > 4:
        axes.set_xscale("log")
        plain_log(axes.xaxis, steps)
        axes.margins(x=0.08)
    else:
        axes.set_xlim(0, 1.08 * max(values))


def plain_log(axis: Any, steps: Sequence[float] = (1.0, 2.0, 5.0)) -> None:
    """1, 2, 5, 10 ... written out, or other steps of a decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    axis.set_minor_formatter(NullFormatter())
