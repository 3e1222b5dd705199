"""A sweep on the page: the trials as points, the front, the shares of the keys, and every trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.studies import sweep_cells
from edgecnn.studies.findings import Sweep
from edgecnn.studies.page import svg
from edgecnn.studies.page.svg import WIDTH, Picture
from edgecnn.studies.page.tables import NONE, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def trials_drawn(sweep: Sweep) -> Picture | None:
    """Draw each finished trial: two objectives against each other, or the only one against the trial's number.

    None if no trial is finished.
    """
    finished = [trial for trial in sweep.trials if trial.outcome == "finished"]
    if not finished:
        return None
    labels = [sweep_cells.heading(objective, 0) for objective in sweep.objectives]
    is_single = len(labels) == 1
    across = "trial" if is_single else labels[1]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for trial in finished:
            cells = sweep_cells.row(trial, sweep)
            words = "; ".join(f"{name} {cell}" for name, cell in zip(sweep_cells.head(sweep), cells, strict=True))
            x = trial.number if is_single else trial.values[1]
            colour = svg.series(0) if trial.is_on_front else svg.series(1)
            (mark,) = axes.plot([x], [trial.values[0]], "o" if trial.is_on_front else "x", color=colour, markersize=6)
            mark.set_gid(svg.spot(words))
        if not is_single:
            svg.cost_axis(axes, [trial.values[1] for trial in finished], steps=(1.0, 2.0, 5.0))
        axes.set_xlabel(across)
        axes.set_ylabel(labels[0])
        axes.grid(axis="y")

    front = "; ".join(", ".join(sweep_cells.row(trial, sweep)) for trial in sweep.front)
    return svg.drawn(
        "sweep-trials",
        f"{labels[0]} against {across}, {len(finished)} trials",
        f"The front ({', '.join(sweep_cells.head(sweep))}): {front}.",
        f"{sweep.data}: the {len(finished)} trials that were trained to the end; discs are on the front, crosses not.",
        (WIDTH, 3.2),
        draw,
    )


def front(sweep: Sweep) -> Table | None:
    """Tabulate the front; None if there is none."""
    if not sweep.front:
        return None
    return Table(
        key="sweep-front",
        caption=f"The trials that no other beats in all objectives, by value; accuracies of n = {sweep.validation_n:,} "
        "validation pictures, with Wilson's interval.",
        head=sweep_cells.head(sweep),
        rows=[sweep_cells.row(trial, sweep) for trial in sweep.front],
    )


def importances(sweep: Sweep) -> Table | None:
    """Tabulate the shares of the keys; None if they are not known."""
    if not sweep.importances:
        return None
    names = list(sweep.importances)
    keys = list(sweep.importances[names[0]])
    shares = {name: [100 * sweep.importances[name].get(key, 0.0) for key in keys] for name in names}
    head = {name: f"% of the variance of {name}" for name in names}
    return Table(
        key="sweep-importances",
        caption=f"How much of each objective's variance a key explains within the space (fANOVA, n = "
        f"{sweep.count('finished')} trials).",
        head=("key", *head.values()),
        rows=[(key, *(f"{shares[name][place]:.0f}" for name in names)) for place, key in enumerate(keys)],
        bars={head[name]: shares[name] for name in names},
    )


def trials(sweep: Sweep) -> Table:
    """Tabulate every trial, and what has become of it."""
    blank, keys = (NONE,) * len(sweep.objectives), len(sweep.trials[0].point) if sweep.trials else 0
    rows = []
    for trial in sweep.trials:
        unvalued = (str(trial.number), *blank, *(sweep_cells.point(trial) or (NONE,) * keys))
        number, *cells = sweep_cells.row(trial, sweep) if trial.values else unvalued
        fate = f"as trial {trial.repeats}" if trial.outcome == "repeat" else trial.outcome
        rows.append((number, fate + (f": {trial.why}" if trial.why else ""), f"{trial.epochs}", *cells))
    number, *columns = sweep_cells.head(sweep)
    return Table(
        key="sweep-all",
        caption="Every trial.",
        head=(number, "outcome", "epochs", *columns),
        rows=rows,
        prose=("outcome",),
    )
