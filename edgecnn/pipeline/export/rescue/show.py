"""The price list for people: a table on stdout, the same in Markdown, and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecnn.common import console, escapes, plotting, stats, units
from edgecnn.common.escapes import say
from edgecnn.pipeline.export import rungs
from edgecnn.pipeline.export.rescue.price_list import PriceList, PriceRow
from edgecnn.records import environment, gates
from edgecnn.records.measurement import Summary

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"

COUNTED = "k instructions"
"""The unit for a board that keeps no time."""

Cost = tuple[float, float, float]
"""A value and its interval, or its least and largest reading."""


def show(prices: PriceList) -> None:
    """Print the price list, at most 80 columns wide for nets whose layers have short names."""
    plain = prices.rows[0]
    say(
        f"Rescue: drop on {plain.n:,} validation pictures, float {prices.float_top1_percent:.2f} %, "
        f"gate {prices.max_drop_pp:g} pp"
    )
    console.table(*_cells(prices))
    for sentence in sentences(prices):
        say(sentence)


def markdown(prices: PriceList) -> str:
    """Return the table with all columns, and the commands, in Markdown."""
    head, rows = _cells(prices)
    head = [*head, "p", "file", "made in"]
    full_rows = [
        [*cells, "-" if row is prices.rows[0] else _p(row.bought_p_value), row.precision, f"{row.made_s:.0f} s"]
        for cells, row in zip(rows, prices.rows, strict=True)
    ]
    machine = prices.environment
    lines = [
        f"# The rescue of {escapes.markdown(prices.run)}",
        "",
        f"    {escapes.line(prices.command)}",
        "",
        f"{prices.date[:10]}, {prices.board}: {escapes.markdown(environment.machine_name(machine))}, "
        f"{machine.cores} cores, {prices.runtime}, one thread; accuracy on {prices.rows[0].n:,} validation "
        f"pictures, float {prices.float_top1_percent:.2f} %; intervals hold 95 %.",
        "",
        console.markdown_table(head, escapes.markdown_cells(full_rows)),
        *(f"- {escapes.markdown(sentence)}" for sentence in [*sentences(prices), *verdicts(prices)]),
        "",
        "Each row's own command stands in rescue.json; the one that exports what was chosen:",
        "",
        f"    {escapes.line(prices.chosen_command)}",
    ]
    return "\n".join(lines) + "\n"


def sentences(prices: PriceList) -> list[str]:
    """Return what the table means and what was chosen, a line each."""
    lines = ["bought: right more often than row 1, paired; *: exported"]
    for ground in sorted({_ground(row) for row in prices.rows if row.on}):
        lines.append(f"{'+' * len(ground)}: on top of {' and '.join(ground)}")
    if prices.passed_over:
        lines.append(f"does not apply to this net: {', '.join(prices.passed_over)}")
    plain = prices.rows[0]
    if plain.outcome == "cannot tell":
        needed = stats.needed_n(plain.n, plain.drop_pp, plain.drop_low_pp, plain.drop_high_pp, prices.max_drop_pp)
        lines.append(f"plain int8 on validation: {gates.doubt(plain.n, needed)}, so nothing was rescued")
    elif plain.passed:
        lines.append("plain int8 passed on validation: there was nothing to rescue")
    elif any(row.passed for row in prices.rows):
        lines.append(f"chosen on validation: {' + '.join(prices.chosen)}")
    else:
        lines.append("no rung passed on validation; exported is what helped beyond doubt")
    return lines


def verdicts(prices: PriceList) -> list[str]:
    """Return how the exported files did on the test pictures, a line each."""
    return [
        f"{name}, on {verdict.n:,} test pictures that no choice has seen: drop {verdict.drop_pp:+.2f} "
        f"[{verdict.drop_low_pp:+.2f}, {verdict.drop_high_pp:+.2f}] pp, {gates.word(verdict.check)}"
        for name, verdict in prices.verdicts.items()
    ]


def draw(prices: PriceList, path: Path) -> None:
    """Write a PNG with three panels and a line per row: the drop with its interval and the gate, latency, bytes."""
    from matplotlib.figure import Figure

    rows = prices.rows
    figure = Figure(figsize=(10, 1.6 + 0.27 * len(rows)), layout="constrained")
    drop, cost, size = figure.subplots(1, 3, sharey=True, width_ratios=(3, 2, 1.2))
    places = range(len(rows))
    colours = [GREEN if row.passed else VERMILION for row in rows]
    unit, priced = _costs(rows)
    for place, row, colour, row_cost in zip(places, rows, colours, priced, strict=True):
        drop.plot([row.drop_low_pp, row.drop_high_pp], [place, place], color=colour, lw=1.5)
        drop.plot(row.drop_pp, place, "o", color=colour, ms=5)
        if row_cost is not None:
            cost.plot(row_cost[1:], [place, place], color=BLUE, lw=1.5)
            cost.plot(row_cost[0], place, "o", color=BLUE, ms=5)
        size.barh(place, row.bytes / 1000, height=0.6, color=BLUE)
    drop.axvline(prices.max_drop_pp, color=GREY, ls="--", lw=1)
    drop.set_xscale("symlog", linthresh=1.0)  # drops range from tenths of a point to tens of points
    drop.set_xticks(ticks := [t for t in (-1, 0, 1, 3, 10, 30, 100) if t <= max(r.drop_high_pp for r in rows) * 1.5])
    drop.set_xticklabels([str(tick) for tick in ticks])
    drop.minorticks_off()
    drop.set_xlabel(f"drop against float, pp, {rows[0].n:,} validation\npictures; dashed: the gate")
    cost.set_xlabel(f"{unit} an inference on {prices.board},\n{prices.runtime}, one thread")
    cost.set_xlim(left=0)
    size.set_xlabel("kB")
    drop.set_yticks(list(places), [_name(row) for row in rows])
    drop.set_ylim(len(rows) - 0.5, -0.5)
    for axes in (drop, cost, size):
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"The rescue of {prices.run}: green passes, * is exported")
    plotting.save(figure, path)


def _cells(prices: PriceList) -> tuple[list[str], list[list[str]]]:
    unit, costs = _costs(prices.rows)
    head = ["what", "bought pp [95 %]", "drop", unit if unit == COUNTED else f"{unit} [95 %]", "kB"]
    return head, [
        [
            _name(row),
            "-" if row is prices.rows[0] else _bought(row),
            f"{row.drop_pp:.2f}",
            _written(cost, interval=unit != COUNTED),
            units.digits(row.bytes / 1000),
        ]
        for row, cost in zip(prices.rows, costs, strict=True)
    ]


def _bought(row: PriceRow) -> str:
    return f"{row.bought_pp:+.2f} [{row.bought_low_pp:.1f}, {row.bought_high_pp:.1f}]"


def _p(value: float) -> str:
    """Format a p-value with one digit, as more would claim too much; an underflow is not shown as zero."""
    return f"{value:.1g}" if value > 0 else "< 1e-300"


def _name(row: PriceRow) -> str:
    return f"{'+' * len(row.on)}{' ' if row.on else ''}{row.label}{' *' if row.taken else ''}"


def _ground(row: PriceRow) -> tuple[str, ...]:
    """Return the labels of the rungs that a row builds on."""
    return tuple(rungs.get(name).label(options) for name, options in row.on.items())


def _costs(rows: Sequence[PriceRow]) -> tuple[str, list[Cost | None]]:
    """Return (unit, a cost per row): latency in one unit for all, or thousands of instructions without a clock."""
    prices = [row.price or Summary(peak_rss_bytes=0) for row in rows]
    times = [price.p50_ms for price in prices if price.p50_ms is not None]
    if not times:
        return COUNTED, [_counted(price) for price in prices]
    factor, unit = units.scale(max(times))
    return unit, [_timed(price, factor) for price in prices]


def _timed(price: Summary, factor: float) -> Cost | None:
    if price.p50_ms is None or price.p50_low_ms is None or price.p50_high_ms is None:
        return None
    return factor * price.p50_ms, factor * price.p50_low_ms, factor * price.p50_high_ms


def _counted(price: Summary) -> Cost | None:
    if price.instructions_p50 is None or price.instructions_min is None or price.instructions_max is None:
        return None
    return price.instructions_p50 / 1000, price.instructions_min / 1000, price.instructions_max / 1000


def _written(cost: Cost | None, interval: bool) -> str:
    if cost is None:
        return "-"
    value, low, high = (units.digits(part) for part in cost)
    return f"{value} [{low}, {high}]" if interval else value
