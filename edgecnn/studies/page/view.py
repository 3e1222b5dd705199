"""The context of the page's template: everything that was gathered, as tables, pictures and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.studies import sweep_cells
from edgecnn.studies.page import (
    benches,
    charts,
    duel,
    evaluated,
    headline,
    layers,
    lesson,
    sight,
    summary,
    sweep,
    tables,
    versus,
)
from edgecnn.studies.page.gather import Gathered, Trained
from edgecnn.studies.page.machines import Machines
from edgecnn.studies.page.svg import Picture


def view(gathered: Gathered) -> dict[str, Any]:
    """Return the variables of the template."""
    machines = Machines()
    trained_on = {
        trained.run.name: machines.number(trained.environment, f"training {trained.run.name}")
        for trained in gathered.runs
        if trained.environment
    }
    shown_benches = list(benches.shown(gathered, machines))
    lessons = [
        lesson.shown(
            f"lesson-{index}", taught, machines.number(taught.lesson.environment, f"lesson {taught.lesson.name}")
        )
        for index, taught in enumerate(gathered.lessons, 1)
    ]
    view: dict[str, Any] = {
        "runs": gathered.runs,
        "names": ", ".join(trained.run.name for trained in gathered.runs),
        "overview": tables.overview(gathered.runs, trained_on),
        "recipes": tables.recipes(gathered.runs),
        "curves": _curves(gathered.runs),
        "files": tables.files(gathered.runs) if any(trained.artifacts for trained in gathered.runs) else None,
        "parities": tables.parities(gathered.runs),
        "benches": shown_benches,
        "unbenched": [
            trained
            for trained in gathered.runs
            if trained.artifacts and not benches.is_benched(trained, gathered.benches)
        ],
        "duel": gathered.duel,
        "sweep": gathered.sweep,
        "lessons": lessons,
        "in_short": summary.sentences(gathered),
        "headlines": headline.headlines(gathered.runs, gathered.benches),
        "versus": versus.table(gathered.runs, gathered.benches),
        "evaluated": [evaluated.shown(f"right-{index}", trained) for index, trained in enumerate(gathered.runs, 1)],
        "sights": [sight.shown(trained) for trained in gathered.runs],
        "layers": [layers.shown(f"layers-{index}", trained) for index, trained in enumerate(gathered.runs, 1)],
    }
    if gathered.duel:
        machine = machines.number(gathered.duel.environment, f"the duel {gathered.duel.name}")
        sentences = (*gathered.duel.sentences, *(crossover.sentence for crossover in gathered.duel.crossovers))
        view |= {
            "duel_machine": machine,
            "duel_told": tuple(dict.fromkeys(sentences)),
            "duel_pictures": (duel.learning(gathered.duel), duel.costs(gathered.duel)),
            "duel_tables": (duel.shares(gathered.duel), duel.contenders(gathered.duel, f"machine {machine}")),
            "duel_trials": duel.trials(gathered.duel),
        }
    if gathered.sweep:
        view |= {
            "sweep_machine": machines.number(gathered.sweep.environment, f"the sweep {gathered.sweep.name}"),
            "sweep_told": tuple(sweep_cells.sentences(gathered.sweep)),
            "sweep_picture": sweep.trials_drawn(gathered.sweep),
            "sweep_tables": [t for t in (sweep.front(gathered.sweep), sweep.importances(gathered.sweep)) if t],
            "sweep_trials": sweep.trials(gathered.sweep),
        }
    return {**view, "machines": tables.machines(machines.environments, machines.used)}


def _curves(runs: Sequence[Trained]) -> list[Picture]:
    return [
        charts.curves(f"curves-{index}", trained.run.name, trained.history)
        for index, trained in enumerate(runs, 1)
        if trained.history
    ]
