"""The study: a CNN, an MLP and a ViT of one budget, from the learning curve to the board.

<output>/
    duel.json       every number, its interval and its n (`edgecnn.studies.findings.Duel`)
    duel.png        accuracy against training pictures, bytes and latency
    runs/           one run per training: <family>-trial-<number>, <family>-<fraction>-<repeat>
    bench/          one report per board, with every sample
    latency.json    the nets that a search for equal latency chose

A duel that was killed continues when the same command is given again.
"""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path

import numpy as np

from edgecnn import data
from edgecnn.common import config
from edgecnn.errors import UsageError
from edgecnn.records import environment
from edgecnn.studies import findings
from edgecnn.studies.duel import conclusions, crossover, curves, deployed, families, plot, scaling, tuning
from edgecnn.studies.duel import runs as trainings
from edgecnn.studies.duel.plan import DuelPlan, check
from edgecnn.studies.duel.show import show as show
from edgecnn.studies.findings import Duel

RESULT = "duel.json"
PICTURE = "duel.png"


def run(plan: DuelPlan, output: Path, command: str, jobs: int = 1) -> Duel:
    """Run a duel, or what is left of it in `output`, and write its result there.

    Args:
        plan: what is compared.
        output: folder of the duel.
        command: the command line that repeats it, for the record.
        jobs: trainings at a time, each on one thread.

    Raises:
        PlanError: the families or the budget do not fit.
        RunError: `output` holds another duel.
        EnvironmentUnfit: the files cannot be written or measured.
        GateFailed: a training diverged.
    """
    if jobs < 1:
        raise UsageError(f"A duel cannot train {jobs} nets at a time.", "--jobs 1")
    check(plan)
    for family in plan.families:
        families.settings(family, plan.recipe, plan.trials)
    deployed.check(plan)
    with trainings.claimed(output) as lock:
        splits = data.load(plan.recipe.data)
        value, scaled = scaling.scale(plan, splits.train, output)
        runs = output / "runs"
        tuned = tuning.tune(plan, scaled, splits.train.labels, runs, jobs, lock)
        labels = np.concatenate([splits.train.labels, splits.validation.labels])
        cells, first_runs = curves.measure(plan, tuned, labels, runs, jobs, lock)
        contenders = deployed.measure(plan, tuned, first_runs, output / "bench")
        by_family = {family: [cell for cell in cells if cell.family == family] for family in plan.families}
        crossovers = tuple(crossover.compare(a, b) for a, b in itertools.combinations(by_family.values(), 2))
        duel = Duel(
            name=plan.recipe.name,
            command=command,
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            environment=environment.here(),
            data=plan.recipe.data.name,
            budget=plan.budget,
            budget_value=value,
            budget_unit=scaling.UNITS[plan.budget],
            board=plan.board[0],
            repeats=plan.repeats,
            contenders=tuple(contenders),
            cells=tuple(cells),
            crossovers=crossovers,
            sentences=conclusions.all_of(by_family, crossovers, contenders, plan.budget, value),
            elapsed_s=sum(family.trials_s for family in tuned) + sum(cell.train_seconds for cell in cells),
            settings=config.table_of(plan),
        )
        findings.write(duel, output / RESULT)
        plot.draw(duel, output / PICTURE)
    return duel
