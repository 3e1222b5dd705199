"""Each family's settings, chosen on validation by the same number of trials on the same pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import config
from edgecnn.data import stratified
from edgecnn.errors import GateFailed
from edgecnn.records.recipe import Recipe
from edgecnn.studies.duel import families
from edgecnn.studies.duel import runs as trainings
from edgecnn.studies.duel.families import Setting
from edgecnn.studies.duel.plan import DuelPlan, epochs
from edgecnn.studies.duel.scaling import Scaled
from edgecnn.studies.findings import Trial


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """One family, ready to train: its net, the setting the trials chose, and all of them."""

    scaled: Scaled
    setting: Setting
    trials: tuple[Trial, ...]
    trials_s: float
    """Seconds of all of them."""

    @property
    def family(self) -> str:
        return self.scaled.family


def tune(
    plan: DuelPlan, scaled: Sequence[Scaled], labels: npt.NDArray[np.int64], runs: Path, jobs: int, lock: int
) -> list[Tuned]:
    """Every family with the setting that does best on validation; of equals the first.

    labels: (N,) of the training pictures the trials draw from. Raises GateFailed if no setting of a family learns.
    """
    grids = {one.family: families.settings(one.family, plan.recipe, plan.trials) for one in scaled}
    recipes = [
        recipe(plan, one, setting, f"{one.family}-trial-{number}", labels, plan.trial_fraction, 0)
        for one in scaled
        for number, setting in enumerate(grids[one.family], 1)
    ]
    done = iter(trainings.finish(recipes, runs, jobs, "trial", lock))
    tuned = []
    for one in scaled:
        finished = [(setting, next(done)) for setting in grids[one.family]]
        trials = tuple(
            Trial(
                settings=config.table_of(setting), validation_top1_percent=run.validation_top1_percent if run else 0.0
            )
            for setting, run in finished
        )
        seconds = sum(run.train_seconds for _, run in finished if run)
        best = max(range(len(trials)), key=lambda i: trials[i].validation_top1_percent)
        if finished[best][1] is None:
            raise GateFailed(f"The loss of {one.family} stopped being a number in every trial.", "more --trials")
        tuned.append(Tuned(scaled=one, setting=finished[best][0], trials=trials, trials_s=seconds))
    return tuned


def recipe(
    plan: DuelPlan,
    one: Scaled,
    setting: Setting,
    name: str,
    labels: npt.NDArray[np.int64],
    fraction: float,
    seed: int,
) -> Recipe:
    """The plan's recipe for another net and setting, on the seed's draw of a share of the labelled pictures."""
    return dataclasses.replace(
        plan.recipe,
        name=name,
        net=one.net,
        optim=setting.optim,
        augment=setting.augment,
        data=dataclasses.replace(plan.recipe.data, fraction=fraction, fraction_seed=seed),
        epochs=epochs(plan.recipe, drawn(labels, fraction), plan.min_steps),
        precision=families.precision(one.family, plan.recipe),
        seed=seed,
        num_threads=1,
    )


def drawn(labels: npt.NDArray[np.int64], fraction: float) -> int:
    """Training pictures in a share of the labelled ones, (N,); every draw of it has as many."""
    return int(stratified(labels, fraction, 0).sum()) if fraction < 1 else len(labels)
