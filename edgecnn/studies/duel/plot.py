"""The figure of a duel: accuracy against training pictures, file size and latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edgecnn.common import plotting
from edgecnn.common.units import digits
from edgecnn.studies.findings import Cell, Contender, Duel

MARKERS = ("o", "s", "^", "D", "v", "P")
BUDGETS = {"params": "parameter count", "macs": "MAC count", "latency": "latency"}


class FamilyLook(NamedTuple):
    """Colour and marker of a family."""

    colour: str
    marker: str


def draw(duel: Duel, path: Path) -> None:
    """Write the figure as PNG, with a latency panel if all contenders were timed.

    Raises:
        OutputError: `path` cannot be written.
    """
    from matplotlib.figure import Figure

    timed = all(contender.p50_ms is not None for contender in duel.contenders)
    figure = Figure(figsize=(12.5, 4.2), layout="constrained")
    curves, *costs = figure.subplots(1, 3 if timed else 2, width_ratios=[1.6, 1, 1] if timed else [1.6, 1])
    looks = {
        contender.family: FamilyLook(_colour(contender.family, i), MARKERS[i % 6])
        for i, contender in enumerate(duel.contenders)
    }
    _learning(curves, duel, looks)
    _costs(costs[0], duel.contenders, [contender.bytes / 1000 for contender in duel.contenders], looks)
    costs[0].set_xlabel("file, kB")
    if timed:
        _costs(costs[1], duel.contenders, [1000 * (contender.p50_ms or 0.0) for contender in duel.contenders], looks)
        costs[1].set_xlabel(f"p50 of one picture, µs ({duel.board})")
    costs[0].set_ylabel(f"top-1 of the file, % (n {duel.contenders[0].test_n:,}, 95 %)")
    figure.suptitle(f"{duel.data}: {', '.join(looks)} of equal {BUDGETS[duel.budget]}")
    plotting.save(figure, path)


def _learning(axes: Any, duel: Duel, looks: Mapping[str, FamilyLook]) -> None:
    from matplotlib.ticker import NullLocator

    for family, look in looks.items():
        cells = [cell for cell in duel.cells if cell.family == family]
        pictures, means = [cell.pictures for cell in cells], [cell.mean_percent for cell in cells]
        axes.plot(pictures, means, color=look.colour, marker=look.marker, label=family)
        axes.fill_between(
            pictures,
            [cell.low_percent for cell in cells],
            [cell.high_percent for cell in cells],
            color=look.colour,
            alpha=0.18,
            linewidth=0,
        )
    for crossing in duel.crossovers:
        if crossing.pictures is not None:
            axes.axvline(crossing.pictures, color="0.4", linestyle=":", linewidth=1.2)
    axes.set_xscale("log")
    pictures = sorted({cell.pictures for cell in duel.cells})
    axes.set_xticks(pictures, [f"{count:,}" for count in pictures])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(*_span(duel.cells))
    axes.set_xlabel("training pictures")
    repeats = f"mean of {duel.repeats}, 95 %" if duel.repeats > 1 else "1 training, 95 %"
    axes.set_ylabel(f"test top-1 of the float net, % ({repeats})")
    axes.legend(frameon=False, loc="best")
    axes.grid(alpha=0.3)


def _costs(axes: Any, contenders: Sequence[Contender], costs: Sequence[float], looks: Mapping[str, FamilyLook]) -> None:
    from matplotlib.ticker import NullLocator

    for contender, cost in zip(contenders, costs, strict=True):
        look, top1 = looks[contender.family], contender.int8_top1_percent
        error = [[top1 - contender.int8_top1_low_percent], [contender.int8_top1_high_percent - top1]]
        axes.errorbar([cost], [top1], error, fmt=look.marker, color=look.colour, capsize=3)
        text = f"{contender.family}\n{contender.precision}\n{digits(cost)}"
        axes.annotate(
            text, (cost, top1), xytext=(6, 6), textcoords="offset points", fontsize=8, color=look.colour, va="bottom"
        )
    axes.set_xscale("log")
    low, high = min(costs), max(costs)
    axes.set_xlim(low / 1.4, high * max(1.6, (high / low) ** 0.5))
    ticks = [step * 10**power for power in range(-3, 7) for step in (1, 2, 5)]
    axes.set_xticks(ticks := [tick for tick in ticks if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]])
    axes.set_xticklabels([f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(y=0.25)
    axes.grid(alpha=0.3)


def _span(cells: Sequence[Cell]) -> tuple[float, float]:
    """Return y limits a little beyond the means; a wide interval of few repeats may be clipped."""
    low, high = min(cell.mean_percent for cell in cells), max(cell.mean_percent for cell in cells)
    room = max(2.0, 0.12 * (high - low))
    return max(0.0, low - room), min(100.0, high + room)


def _colour(family: str, place: int) -> str:
    return plotting.FAMILIES.get(family, plotting.COLOURS[(place + 3) % len(plotting.COLOURS)])
