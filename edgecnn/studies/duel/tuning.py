"""The choice of each family's settings on validation, by the same number of trials on the same pictures."""

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
from edgecnn.studies.duel.families import FamilySetting
from edgecnn.studies.duel.plan import DuelPlan, epochs
from edgecnn.studies.duel.scaling import Scaled
from edgecnn.studies.findings import Trial


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A family ready to train: its net, the setting that was chosen, and all trials."""

    scaled: Scaled
    setting: FamilySetting
    trials: tuple[Trial, ...]
    trials_s: float
    """Training time of all trials together."""

    @property
    def family(self) -> str:
        return self.scaled.family


def tune(
    plan: DuelPlan, scaled: Sequence[Scaled], labels: npt.NDArray[np.int64], runs: Path, jobs: int, lock: int
) -> list[Tuned]:
    """Choose for every family the setting that does best on validation, the first of equals.

    Args:
        plan: what is compared.
        scaled: the families' nets.
        labels: classes of the training pictures that trials draw from, (N,).
        runs: folder of the run folders.
        jobs: trainings at a time.
        lock: descriptor of the duel's lock.

    Raises:
        GateFailed: every trial of a family diverged.
    """
    grids = {contender.family: families.settings(contender.family, plan.recipe, plan.trials) for contender in scaled}
    recipes = [
        recipe(plan, contender, setting, f"{contender.family}-trial-{trial}", labels, plan.trial_fraction, 0)
        for contender in scaled
        for trial, setting in enumerate(grids[contender.family], 1)
    ]
    finished_runs = iter(trainings.finish(recipes, runs, jobs, "trial", lock))
    tuned = []
    for contender in scaled:
        finished = [(setting, next(finished_runs)) for setting in grids[contender.family]]
        trials = tuple(
            Trial(
                settings=config.table_of(setting), validation_top1_percent=run.validation_top1_percent if run else 0.0
            )
            for setting, run in finished
        )
        seconds = sum(run.train_seconds for _, run in finished if run)
        best = max(range(len(trials)), key=lambda index: trials[index].validation_top1_percent)
        if finished[best][1] is None:
            raise GateFailed(f"The loss of {contender.family} stopped being a number in every trial.", "more --trials")
        tuned.append(Tuned(scaled=contender, setting=finished[best][0], trials=trials, trials_s=seconds))
    return tuned


def recipe(
    plan: DuelPlan,
    scaled: Scaled,
    setting: FamilySetting,
    name: str,
    labels: npt.NDArray[np.int64],
    fraction: float,
    seed: int,
) -> Recipe:
    """Return the plan's recipe with another net and setting, to train on a share of the pictures drawn by `seed`."""
    return dataclasses.replace(
        plan.recipe,
        name=name,
        net=scaled.net,
        optim=setting.optim,
        augment=setting.augment,
        data=dataclasses.replace(plan.recipe.data, fraction=fraction, fraction_seed=seed),
        epochs=epochs(plan.recipe, drawn(labels, fraction), plan.min_steps),
        precision=families.precision(scaled.family, plan.recipe),
        seed=seed,
        num_threads=1,
    )


def drawn(labels: npt.NDArray[np.int64], fraction: float) -> int:
    """Count the training pictures in a share of those with `labels` (N,); the count is the same for every draw."""
    return int(stratified(labels, fraction, 0).sum()) if fraction < 1 else len(labels)
