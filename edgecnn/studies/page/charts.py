"""The figures of the page, each with a description of its values in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.common import units
from edgecnn.records.measurement import Measurement, p50
from edgecnn.studies.page import pareto, svg
from edgecnn.studies.page.fronts import Front, leading, unsure, written
from edgecnn.studies.page.svg import INK, PAPER, RULE, WIDTH, Picture, cost_axis, name_points, plain_log

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MOST_BANDS = 40
"""Epochs of a curve that can be pointed at; of a longer training every second one, or every third ..."""


@dataclass(frozen=True)
class SeriesLook:
    """Number, colour and marker of a candidate, the same in every figure of its group."""

    number: int
    colour: str
    marker: str
    filled: bool


def curves(key: str, name: str, history: Mapping[str, Sequence[float]]) -> Picture:
    """Draw training and validation cross-entropy and top-1 against epochs, half the page wide."""
    epochs = history["epoch"]
    loss, top1 = history["validation_loss"], history["validation_top1_percent"]
    best = int(np.argmax(top1))
    step = -(-len(epochs) // MOST_BANDS)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, 2)
        measures = (("loss", "cross-entropy, nats"), ("top1_percent", "top-1, %"))
        for axes, (measure, unit) in zip(panels, measures, strict=True):
            for split, series, style in (("train", 0, (0, (4, 2))), ("validation", 1, "-")):
                values = history[f"{split}_{measure}"]
                mark = "." if len(epochs) < 10 else ""
                axes.plot(epochs, values, color=svg.series(series), linestyle=style, marker=mark, label=split)
            for index in range(len(epochs) - 1, -1, -step)[::-1]:
                train, validation = (history[f"{split}_{measure}"][index] for split in ("train", "validation"))
                words = f"epoch {epochs[index]:.0f}: training {train:.4g}, validation {validation:.4g} ({unit})"
                reach = epochs[index] - step / 2, epochs[index] + step / 2
                axes.axvspan(*reach, color=INK, alpha=0.01, linewidth=0, gid=svg.band(words))
            axes.set_title(unit)
            axes.set_xlabel("epoch")
            axes.grid(axis="y")
            axes.xaxis.get_major_locator().set_params(integer=True)
        panels[0].set_yscale("log")
        plain_log(panels[0].yaxis)
        panels[0].legend(frameon=False, fontsize=8, handlelength=1.6)

    return svg.drawn(
        key,
        f"Training curves of {name}",
        f"Over {len(epochs)} epochs the validation cross-entropy goes from {loss[0]:.3g} to {loss[-1]:.3g} nats and "
        f"validation top-1 from {top1[0]:.2f} to {top1[-1]:.2f} %; its highest is {top1[best]:.2f} % in epoch "
        f"{epochs[best]:.0f}.",
        f"{name}: training on augmented pictures as the net saw them, validation on whole ones.",
        (WIDTH / 2, 2.1),
        draw,
    )


def latencies(key: str, names: Sequence[str], measurements: Sequence[Measurement]) -> Picture:
    """Draw a histogram of every timed run per file, with the rounds' medians and p99."""
    scale, unit = units.scale(min(p50(m)[0] for m in measurements))
    samples = [scale * np.array([t for window in m.windows for t in window.times_ms]) for m in measurements]
    rounds = [[scale * float(np.median(window.times_ms)) for window in m.windows] for m in measurements]
    tails = [scale * (m.summary.p99_ms or 0.0) for m in measurements]
    # Cut off outliers, which would squeeze the histograms; the caption gives the largest.
    first, last = 0.97 * min(times.min() for times in samples), 1.5 * max(tails)
    edges = np.geomspace(first, last, 201)
    beyond = sum(int((times > last).sum()) for times in samples)
    largest_ms = max(float(times.max()) for times in samples) / scale
    heights = range(len(names) - 1, -1, -1)  # the first file on top
    each = [
        f"{name}{_doubt(m)}: p50 {units.interval(*p50(m))}, p99 {units.duration(m.summary.p99_ms)}, largest "
        f"{units.duration(float(times.max()) / scale)} of {len(times):,}"
        for name, m, times in zip(names, measurements, samples, strict=True)
    ]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set_xscale("log")
        for height, times, medians, p99 in zip(heights, samples, rounds, tails, strict=True):
            counts, _ = np.histogram(times, edges)
            axes.axhline(height, color=RULE, linewidth=0.5)
            axes.stairs(height + 0.78 * counts / counts.max(), edges, baseline=height, fill=True, color=svg.series(0))
            axes.plot(medians, [height - 0.09] * len(medians), "|", color=svg.series(1), markersize=5)
            axes.plot([p99, p99], [height, height + 0.45], color=INK, linewidth=1)
        for height, words in zip(heights, each, strict=True):
            axes.axhspan(height - 0.2, height + 0.8, color=INK, alpha=0.01, linewidth=0, gid=svg.band(words))
        axes.set_xlim(first, last)
        axes.set_ylim(-0.3, len(names) - 0.05)
        axes.set_yticks(heights, [f"{n}{_doubt(m)}" for n, m in zip(names, measurements, strict=True)])
        axes.tick_params(axis="y", length=0)
        axes.spines.left.set_visible(False)
        axes.set_xlabel(f"one inference, {unit}")
        plain_log(axes.xaxis)
        beside = axes.secondary_yaxis("right")
        beside.set_yticks(heights, [units.interval(*p50(m)) for m in measurements])
        beside.tick_params(length=0)
        beside.spines.right.set_visible(False)

    return svg.drawn(
        key,
        "Latency of every timed run",
        f"{'; '.join(each)}.",
        f"All {sum(map(len, samples)):,} timed runs; {beyond:,} lie beyond the right edge, the longest took "
        f"{units.duration(largest_ms)}. Bars: how often each time occurred, a file's highest at full height. Ticks "
        "below: the medians of the rounds. Thin line: p99. Right: p50 and its interval.",
        (WIDTH, 0.75 + 0.36 * len(names)),
        draw,
    )


def front(key: str, drawn: Front, looks: Mapping[str, SeriesLook], legend: str) -> Picture:
    """Draw accuracy against a cost, with every candidate named.

    Args:
        key: prefix of ids on the page.
        drawn: the front.
        looks: each candidate's look, by name.
        legend: sentence that explains the looks.
    """
    cost, first = drawn.cost, pareto.front(drawn.points)
    each = [
        f"{point.name} {point.top1.value:.2f} % at {written(drawn, point)}, {_standing(place)}"
        for point, place in zip(drawn.points, drawn.places, strict=True)
    ]

    def spot(point: pareto.Point) -> tuple[float, float]:
        return point.cost.value / cost.per_unit, point.top1.value

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        cost_axis(axes, [spot(point)[0] for point in drawn.points])
        axes.step(*zip(*map(spot, first), strict=True), where="post", color=INK, linewidth=0.8, linestyle=(0, (5, 3)))
        named = []
        for point, words in zip(drawn.points, each, strict=True):
            look, (x, y) = looks[point.name], spot(point)
            marker, _, _ = axes.errorbar(
                [x],
                [y],
                xerr=_reach(point.cost, cost.per_unit),
                yerr=_reach(point.top1),
                fmt=look.marker,
                color=look.colour,
                ecolor=(look.colour, 0.45),
                markerfacecolor=look.colour if look.filled else PAPER,
                markersize=6,
                elinewidth=0.8,
            )
            marker.set_gid(svg.spot(words))
            doubt = ", DEGRADED" if point.name in drawn.doubted else ""
            named.append((f"{look.number}  {point.name}{doubt}", look.colour, x, y))
        name_points(axes, named)
        axes.set_xlabel(f"{cost.name}, {cost.unit}")
        axes.set_ylabel("top-1, % [95 %]")
        axes.grid(axis="y")

    return svg.drawn(
        key,
        f"Accuracy against {cost.name}",
        f"{'; '.join(each)}.",
        f"Accuracy against {cost.name}. On the front: {'; '.join(leading(drawn))}. {legend}",
        (WIDTH, max(2.8, 0.9 + 0.2 * len(drawn.points))),
        draw,
    )


def _standing(place: pareto.FrontPlace) -> str:
    if place.standing == "behind":
        return f"behind {place.other}"
    return ("on" if place.by_value else "off") + " the front" + unsure(place)


def _doubt(measurement: Measurement) -> str:
    return "" if measurement.validity.verdict == "VALID" else f", {measurement.validity.verdict}"


def _reach(estimate: pareto.PointEstimate, unit: float = 1.0) -> list[list[float]]:
    """Return the interval's distances below and above the value, in the form of matplotlib's error bars."""
    return [[(estimate.value - estimate.low) / unit], [(estimate.high - estimate.value) / unit]]
