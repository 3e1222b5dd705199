"""README's chart: accuracy against the cost of one picture on two boards, from recorded benches."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import record

from edgecnn.records import plans, report
from edgecnn.records.measurement import Measurement
from edgecnn.records.recipe import Recipe

BOARDS = {"pi4": "Raspberry Pi 4 (Cortex-A72)", "pi5": "Raspberry Pi 5 (Cortex-A76)"}
"""An emulated board -> what its panel is called."""
KINDS = {
    "dscnn": "depthwise-separable CNN", "resnet": "residual CNN", "mlp": "MLP", "vit": "ViT",
}  # fmt: skip
THEMES = {
    "light": {
        "text": "#1f2328", "soft": "#59636e", "line": "#d1d9e0", "back": "#ffffff",
        "dscnn": "#0969da", "resnet": "#bf3989", "mlp": "#bc4c00", "vit": "#1a7f37",
    },
    "dark": {
        "text": "#e6edf3", "soft": "#9198a1", "line": "#3d444d", "back": "#0d1117",
        "dscnn": "#58a6ff", "resnet": "#f778ba", "mlp": "#f0883e", "vit": "#3fb950",
    },
}  # fmt: skip
Place = Callable[[float], float]
WIDTH, HEIGHT, LEFT, TOP, GAP, PANEL_WIDTH, PANEL_HEIGHT = 880, 400, 56, 52, 24, 388, 268


@dataclass(frozen=True)
class Point:
    """A model on a board."""

    name: str
    kind: str
    instructions: float
    top1_percent: float
    low_percent: float
    high_percent: float


def points(board: str) -> list[Point]:
    """Return the int8 models of a board's recorded bench that are on the front of any board, cheapest first."""
    kept: set[str] = set()
    for each in map(_measured, BOARDS):
        costs = {point.name: point.instructions for point in each}
        kept |= front(costs, {point.name: point.top1_percent for point in each})
    return [point for point in _measured(board) if point.name in kept]


def front(costs: Mapping[str, float], top1: Mapping[str, float]) -> set[str]:
    """Return the models that no other beats: none is at least as accurate and costs no more."""
    return {
        name
        for name, cost in costs.items()
        if not any(other != name and top1[other] >= top1[name] and costs[other] <= cost for other in costs)
    }


@functools.cache
def _measured(board: str) -> list[Point]:
    measured = report.read(record.RESULTS / f"zoo-{board}.json").measurements
    return sorted(_points(measured), key=lambda point: point.instructions)


def model_of(measured: Measurement) -> str:
    """Return the name of the zoo's model that was measured."""
    return (measured.run or measured.file).rpartition("/")[2].removeprefix("zoo:")


def _points(measured: Sequence[Measurement]) -> Iterator[Point]:
    for measurement in measured:
        if (
            measurement.verdict is None
            or measurement.summary.instructions_p50 is None
            or measurement.format != "tflite"
        ):
            continue
        name = model_of(measurement)
        kind = plans.load(Recipe, name).net.name
        verdict = measurement.verdict
        yield Point(
            name, kind, measurement.summary.instructions_p50, verdict.top1_percent, verdict.top1_low_percent,
            verdict.top1_high_percent,
        )  # fmt: skip


def caption() -> str:
    """Return what the chart shows, how it was measured and by which commands."""
    read = [report.read(record.RESULTS / f"zoo-{board}.json") for board in BOARDS]
    n = {measurement.verdict.n for measurement in read[0].measurements if measurement.verdict}
    return (
        f"{len(points('pi5'))} int8 TFLite files on Fashion-MNIST that no other beats on both boards: top-1 on "
        f"{max(n):,} test pictures with its 95 % interval, and the instructions of one picture, counted on emulated cores, where a time would mean nothing. "
        f"{read[0].date[:10]}; commands, versions and counts are in `bench/results/zoo-pi4.json` and `zoo-pi5.json`.\n"
    )


def pictures() -> dict[str, str]:
    """Return the file name and the text of the chart, light and dark."""
    return {f"chart-{name}.svg": _drawn(colours) for name, colours in THEMES.items()}


def _drawn(colours: dict[str, str]) -> str:
    every = [point for board in BOARDS for point in points(board)]
    low = math.floor(min(point.low_percent for point in every))
    high = math.ceil(max(point.high_percent for point in every))
    powers = [math.log2(point.instructions / 1e6) for point in every]
    span = (math.floor(min(powers)), math.ceil(max(powers)))
    kinds = [kind for kind in KINDS if any(point.kind == kind for point in every)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Accuracy against instructions per picture on two boards">',
        f'<style>text {{ font: 13px system-ui, "Segoe UI", Helvetica, sans-serif; fill: {colours["text"]}; }} '
        f".soft {{ fill: {colours['soft']}; font-size: 12px; }} .title {{ font-weight: 600; }}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{colours["back"]}"/>',
    ]
    for number, (board, title) in enumerate(BOARDS.items()):
        parts += _panel(
            points(board), title, LEFT + number * (PANEL_WIDTH + GAP), (low, high), span, colours, number == 0
        )
    x = LEFT
    for kind in kinds:
        parts.append(f'<circle cx="{x + 5}" cy="22" r="5" fill="{colours[kind]}"/>')
        parts.append(f'<text x="{x + 16}" y="26">{KINDS[kind]}</text>')
        x += 34 + 7 * len(KINDS[kind])
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    shown: list[Point], title: str, left: float, percents: tuple[int, int], powers: tuple[int, int],
    colours: dict[str, str], labelled: bool,
) -> list[str]:  # fmt: skip
    (low, high), (least, most) = percents, powers
    bottom = TOP + PANEL_HEIGHT

    def x_of(millions: float) -> float:
        return left + (math.log2(millions) - least) / (most - least) * PANEL_WIDTH

    def y_of(percent: float) -> float:
        return bottom - (percent - low) / (high - low) * PANEL_HEIGHT

    parts = [f'<text class="title" x="{left}" y="{TOP - 8}">{title}, emulated</text>']
    step = max(1, (high - low) // 6)
    for percent in range(low, high + 1, step):
        parts.append(
            f'<path d="M{left} {y_of(percent):.1f}h{PANEL_WIDTH}" stroke="{colours["line"]}" stroke-width="1"/>'
        )
        if labelled:
            parts.append(
                f'<text class="soft" x="{left - 8}" y="{y_of(percent) + 4:.1f}" text-anchor="end">{percent} %</text>'
            )
    for millions in (2.0**power for power in range(least, most + 1)):
        parts.append(
            f'<text class="soft" x="{x_of(millions):.1f}" y="{bottom + 18}" text-anchor="middle">{millions:g}</text>'
        )
    parts.append(
        f'<text class="soft" x="{left + PANEL_WIDTH / 2}" y="{bottom + 38}" text-anchor="middle">'
        "million instructions for one picture, each step twice as many</text>"
    )
    for point in shown:
        x, y = x_of(point.instructions / 1e6), y_of(point.top1_percent)
        colour = colours[point.kind]
        parts += [
            f'<path d="M{x:.1f} {y_of(point.low_percent):.1f}V{y_of(point.high_percent):.1f}" stroke="{colour}" '
            'stroke-width="2" opacity="0.45"/>',
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>',
        ]
    parts += _labels(shown, x_of, y_of, (left, left + PANEL_WIDTH))
    return parts


def _labels(shown: list[Point], x_of: Place, y_of: Place, edges: tuple[float, float]) -> Iterator[str]:
    """Yield each point's name to its right or left, up or down, where it first lies on nothing, or on intervals alone."""
    taken = [
        (x_of(p.instructions / 1e6) - 6, y_of(p.top1_percent) - 6, 12.0, 12.0) for p in shown
    ]  # x, y, width, height
    bars = [
        (x_of(p.instructions / 1e6) - 1, y_of(p.high_percent), 2.0, y_of(p.low_percent) - y_of(p.high_percent))
        for p in shown
    ]
    for point in sorted(shown, key=lambda point: -point.instructions):
        x, y, width = x_of(point.instructions / 1e6), y_of(point.top1_percent), 7.2 * len(point.name)
        places = [(left, y + down) for down in (0, -14, 14, -28, 28) for left in (x + 9, x - 9 - width)]
        inside = [(left, middle) for left, middle in places if edges[0] <= left and left + width <= edges[1]]
        free = [place for place in inside if not any(_meet((*place, width), box) for box in taken)]
        clear = (place for place in free if not any(_meet((*place, width), bar) for bar in bars))
        left, middle = next(clear, (free or places)[0])
        taken.append((left, middle - 7, width, 14.0))
        yield f'<text x="{left:.1f}" y="{middle + 4:.1f}" textLength="{width:.0f}">{escape(point.name)}</text>'


def _meet(label: tuple[float, float, float], box: tuple[float, float, float, float]) -> bool:
    """Tell whether a label (left, middle, width) lies on a box (left, top, width, height)."""
    left, middle, width = label
    return left < box[0] + box[2] and box[0] < left + width and middle - 7 < box[1] + box[3] and box[1] < middle + 7
