"""Matplotlib figures as inline SVG: colours follow the page's style sheet, and the bytes are reproducible.

A part of a figure whose gid is `spot(words)` or `band(words)` becomes a mark that says these words under the pointer
and under the keyboard's focus (`hover.js`).
"""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.common import escapes, plotting
from edgecnn.errors import MissingPackage

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

# Colours that occur nowhere else: each is replaced by a variable of the style sheet, so that a figure follows the
# light or dark scheme.
INK = "#010101"
RULE = "#020202"
PAPER = "#030303"
SERIES = ("#0a0001", "#0a0002", "#0a0003", "#0a0004", "#0a0005", "#0a0006")
_VARIABLES = {
    INK: "currentColor",
    RULE: "var(--rule)",
    PAPER: "var(--paper)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)},
}

_LONG = re.compile(r"-?\d+\.\d{3,}")
"""A number with more places than a figure of a thousand pixels can show."""
_SPOT = 'role="graphics-symbol"'

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, sharp and selectable
    "text.parse_math": False,  # a dollar in a file's name is a dollar
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.linewidth": 0.5,
    "grid.color": RULE,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.6,
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure of the page."""

    key: str
    """Prefix of the figure's ids, unique on the page."""
    svg: Markup
    caption: str


def series(number: int) -> str:
    """Return the colour of a series, numbered from 0; colours repeat after the last."""
    return SERIES[number % len(SERIES)]


def spot(words: str) -> str:
    """Return the gid of a mark that is seen, such as a point."""
    return f"spot {escapes.line(words)}"


def band(words: str) -> str:
    """Return the gid of an area that is seen only under the pointer or the focus."""
    return f"spot band {escapes.line(words)}"


def drawn(
    key: str, title: str, described: str, caption: str, size_inches: tuple[float, float], draw: Callable[[Figure], None]
) -> Picture:
    """Render a figure as an <svg> element with a title and a description.

    Args:
        key: prefix of ids, unique on the page.
        title: title of the figure.
        described: the figure's values in words, for screen readers.
        caption: text below the figure.
        size_inches: (width, height).
        draw: called with the empty Figure.

    Raises:
        MissingPackage: matplotlib or markupsafe is not installed.
    """
    try:
        import matplotlib
        from markupsafe import Markup, escape
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackage(str(error.name), "train", "The report page") from error

    stream = io.StringIO()
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": key}), warnings.catch_warnings():
        # The browser uses its own fonts, so a glyph that is missing here does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size_inches, layout="constrained")
        draw(figure)
        plotting.take_literally(figure)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    body = _body(stream.getvalue(), key)
    width = round(96 * size_inches[0])
    role = "graphics-document" if _SPOT in body else "img"
    return Picture(
        key=key,
        caption=caption,
        svg=Markup(
            f'<svg role="{role}" aria-labelledby="{key}-title {key}-desc" style="--width: {width}px" '
            f'viewBox="0 0 {72 * size_inches[0]:g} {72 * size_inches[1]:g}">\n'
            f'<title id="{key}-title">{escape(title)}</title>\n<desc id="{key}-desc">{escape(described)}</desc>\n'
            f"{body}</svg>"
        ),
    )


def _body(svg: str, key: str) -> str:
    """Return the content of the root element, with ids made unique and colours replaced by variables."""
    root = ElementTree.fromstring(svg)
    for element in list(root.iter()):
        element.tag = element.tag.rpartition("}")[2]
        element.tail = "\n"
        gid, kind = "", None
        attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        if element.tag == "g":
            gid = attributes.pop("id", "")  # matplotlib's names of parts, which nothing refers to, or ours
            kind = next((kind for kind in ("spot band", "spot") if gid.startswith(f"{kind} ")), None)
        element.attrib.clear()
        element.attrib.update({name: _rewritten(name, value, key) for name, value in attributes.items()})
        if element.tag not in ("text", "tspan"):
            element.text = None  # white space, or a style rule that would apply to the whole page
        if kind:
            _make_spot(element, kind, gid.removeprefix(f"{kind} "))
    return "".join(ElementTree.tostring(child, encoding="unicode") for child in root)


def _make_spot(element: ElementTree.Element, kind: str, words: str) -> None:
    """Make a group a mark that says something."""
    element.attrib.update({"class": kind, "role": "graphics-symbol", "aria-label": words})
    title = ElementTree.Element("title")
    title.text = words
    element.insert(0, title)


def _rewritten(name: str, value: str, key: str) -> str:
    if name == "id":
        return f"{key}-{value}"
    if name == "href":
        return f"#{key}-{value.removeprefix('#')}"
    value = _LONG.sub(lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), value)
    value = value.replace("url(#", f"url(#{key}-")
    for colour, variable in _VARIABLES.items():
        value = value.replace(colour, variable)
    return " ".join(value.split())


WIDTH = 9.6
"""Width of the page's text in inches."""


def name_points(axes: Any, labelled: Sequence[tuple[str, str, float, float]]) -> None:
    """Write the names of points into the right margin, without overlap, with a line to each.

    Args:
        axes: the axes.
        labelled: (name, colour, x, y) of each point.
    """
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
    """Scale the x axis: logarithmic if the values lie far apart, else linear from 0."""
    if min(values) > 0 and max(values) / min(values) > 4:
        axes.set_xscale("log")
        plain_log(axes.xaxis, steps)
        axes.margins(x=0.08)
    else:
        axes.set_xlim(0, 1.08 * max(values))


def plain_log(axis: Any, steps: Sequence[float] = (1.0, 2.0, 5.0)) -> None:
    """Label a logarithmic axis at `steps` of each decade, with numbers written out."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    axis.set_minor_formatter(NullFormatter())
