"""A duel on the page: figures of accuracy against data and against costs, and tables of the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgecnn.common.units import digits, interval
from edgecnn.studies.findings import Contender, Duel
from edgecnn.studies.page import svg
from edgecnn.studies.page.svg import WIDTH, Picture, cost_axis, name_points, plain_log
from edgecnn.studies.page.tables import NONE, Table, estimate, figure, flat

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning(duel: Duel) -> Picture:
    """Draw test top-1 of the float nets against the number of training pictures."""
    families = [contender.family for contender in duel.contenders]
    curves = {name: sorted((c for c in duel.cells if c.family == name), key=lambda c: c.pictures) for name in families}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for index, name in enumerate(families):
            colour, cells = svg.series(index), curves[name]
            pictures = [cell.pictures for cell in cells]
            lows, highs = [cell.low_percent for cell in cells], [cell.high_percent for cell in cells]
            axes.fill_between(pictures, lows, highs, color=colour, alpha=0.18, linewidth=0)
            axes.plot(pictures, [cell.mean_percent for cell in cells], "o-", color=colour, markersize=4)
        axes.set_xscale("log")
        plain_log(axes.xaxis)
        axes.set_xlabel("training pictures")
        axes.set_ylabel("test top-1, %")
        axes.grid(axis="y")
        ends = [(index, name, curves[name][-1]) for index, name in enumerate(families) if curves[name]]
        name_points(axes, [(name, svg.series(index), c.pictures, c.mean_percent) for index, name, c in ends])

    each = "; ".join(
        f"{name} from {cells[0].mean_percent:.2f} % with {cells[0].pictures:,} pictures to "
        f"{cells[-1].mean_percent:.2f} % with {cells[-1].pictures:,}"
        for name, cells in curves.items()
        if cells
    )
    return svg.drawn(
        "duel-learning",
        f"Accuracy against training pictures, {duel.data}",
        f"{each}.",
        f"{duel.data}: test top-1 of the float nets against training pictures; the bands are 95 % of the mean over "
        f"{duel.repeats} repeats.",
        (WIDTH, 3.4),
        draw,
    )


def costs(duel: Duel) -> Picture:
    """Draw top-1 of the int8 files against each cost that was measured for all of them."""
    panels = [panel for panel in _panels(duel) if None not in panel[1]]

    def draw(figure: Figure) -> None:
        row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (label, values) in zip(row, panels, strict=True):
            known = [value for value in values if value is not None]
            cost_axis(axes, known, steps=(1.0, 3.0))
            for index, (contender, value) in enumerate(zip(duel.contenders, known, strict=True)):
                top1 = contender.int8_top1_percent
                reach = [[top1 - contender.int8_top1_low_percent], [contender.int8_top1_high_percent - top1]]
                axes.errorbar([value], [top1], yerr=reach, fmt="os^Dvp"[index % 6], color=svg.series(index),
                              markersize=6, elinewidth=0.8, label=contender.family)  # fmt: skip
            axes.set_xlabel(label)
            axes.grid(axis="y")
        row[0].set_ylabel("top-1 of the file, %")
        figure.legend(*row[0].get_legend_handles_labels(), loc="outside upper left", ncols=6, frameon=False)

    kinds = ", ".join(f"{contender.family}: {contender.precision}" for contender in duel.contenders)
    each = "; ".join(
        f"{contender.family} {contender.int8_top1_percent:.2f} % at "
        + ", ".join(f"{label} {values[index]:,.3g}" for label, values in panels)
        for index, contender in enumerate(duel.contenders)
    )
    return svg.drawn(
        "duel-costs",
        "Accuracy of the contenders' files against their costs",
        f"{each}.",
        f"The quantised files ({kinds}): top-1 with its 95 % interval against what each costs.",
        (WIDTH, 2.9),
        draw,
    )


def contenders(duel: Duel, machine: str) -> Table:
    """Tabulate the costs and the accuracy of each family's file."""
    boards = sorted({board for contender in duel.contenders for board in contender.instructions})
    rows = [_contender_row(contender, boards) for contender in duel.contenders]
    return Table(
        key="duel-contenders",
        caption=f"The contenders, scaled to {duel.budget} = {figure(duel.budget_value)} {duel.budget_unit}; files and "
        f"times of the first repeat on all data, on {duel.board}, {machine}.",
        head=(
            "family", "parameters", "MACs", "precision", "kB", "int8 top-1 % [95 %]", "n", "p50 [95 %]",
            "peak MB", "planned kB", *(f"thousand instructions, {board}" for board in boards),
        ),
        rows=rows,
        words=("precision",),
    )  # fmt: skip


def _contender_row(contender: Contender, boards: Sequence[str]) -> tuple[str, ...]:
    top1 = contender.int8_top1_percent, contender.int8_top1_low_percent, contender.int8_top1_high_percent
    p50_ms, low_ms, high_ms = contender.p50_ms, contender.p50_low_ms, contender.p50_high_ms
    counts = contender.instructions
    return (
        contender.family,
        f"{contender.params:,}",
        f"{contender.macs:,}",
        contender.precision,
        digits(contender.bytes / 1000),
        estimate(*top1),
        f"{contender.test_n:,}",
        NONE if p50_ms is None or low_ms is None or high_ms is None else interval(p50_ms, low_ms, high_ms),
        NONE if contender.peak_rss_bytes is None else digits(contender.peak_rss_bytes / 1e6),
        digits(contender.planned_activation_peak_bytes / 1000),
        *(f"{counts[board] / 1000:,.0f}" if board in counts else NONE for board in boards),
    )


def shares(duel: Duel) -> Table:
    """Tabulate the learning curves, with a row per share of the data and a column per family."""
    families = [contender.family for contender in duel.contenders]
    cells = {(cell.family, cell.pictures): cell for cell in duel.cells}
    rows = []
    for pictures in sorted({cell.pictures for cell in duel.cells}):
        row_cells = [cells.get((family, pictures)) for family in families]
        share = next(cell.fraction for cell in row_cells if cell)
        rows.append(
            (
                f"{pictures:,}",
                f"{100 * share:g} %",
                *(estimate(c.mean_percent, c.low_percent, c.high_percent) if c else NONE for c in row_cells),
                " / ".join(str(len(c.top1_percents)) if c else NONE for c in row_cells),
            )
        )
    return Table(
        key="duel-shares",
        caption="Test top-1 of the float nets, % [95 % of the mean over n repeats, Student's t; of a single one "
        "Wilson's of its test pictures].",
        head=("training pictures", "share", *families, "n"),
        rows=rows,
    )


def trials(duel: Duel) -> Table:
    """Tabulate the trials that chose each family's settings."""
    return Table(
        key="duel-trials",
        caption="How each family was tuned: every trial, judged on validation; the best of each family was taken.",
        head=("family", "validation top-1 %", "settings"),
        rows=[
            (contender.family, f"{trial.validation_top1_percent:.2f}", _settings(trial.settings))
            for contender in duel.contenders
            for trial in contender.trials
        ],
        prose=("settings",),
    )


def _panels(duel: Duel) -> Iterator[tuple[str, list[float | None]]]:
    measures: list[tuple[str, Callable[[Contender], float | None]]] = [
        ("kB", lambda contender: contender.bytes / 1000),
        ("p50, µs", lambda contender: None if contender.p50_ms is None else 1000 * contender.p50_ms),
        ("peak MB", lambda contender: None if contender.peak_rss_bytes is None else contender.peak_rss_bytes / 1e6),
        ("thousand MACs", lambda contender: contender.macs / 1e3),
    ]
    for label, measure in measures:
        yield label, [measure(contender) for contender in duel.contenders]


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in flat(settings))
