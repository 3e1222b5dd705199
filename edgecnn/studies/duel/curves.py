"""Accuracy against training pictures: every family on every share, with what its repeats say."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn import data
from edgecnn.common import stats
from edgecnn.common.stats import mean_interval
from edgecnn.errors import GateFailed
from edgecnn.records.run import Run
from edgecnn.studies.duel import runs as trainings
from edgecnn.studies.duel.plan import DuelPlan
from edgecnn.studies.duel.runs import Score
from edgecnn.studies.duel.tuning import Tuned, drawn, recipe
from edgecnn.studies.findings import Cell


def measure(
    plan: DuelPlan,
    contenders: Sequence[Tuned],
    labels: npt.NDArray[np.int64],
    runs: Path,
    jobs: int,
    lock: int,
) -> tuple[list[Cell], dict[str, Run]]:
    """(a cell for every family and share, each family's first run on the largest share).

    labels: (N,) of the whole training set. Of it the plan's few pictures are held out to watch by; the rest is what
    the shares are of. Repeats go outermost and small shares first, so a duel that is stopped early has whole curves.

    Raises GateFailed if the loss of a training stops being a number.
    """
    share = min(plan.recipe.data.validation, plan.watch_pictures / len(labels))
    watched = dataclasses.replace(plan.recipe.data, validation=share)
    shared = dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, data=watched))
    labels = data.load(watched).train.labels
    keys = [
        (one, fraction, repeat) for repeat in range(plan.repeats) for fraction in plan.fractions for one in contenders
    ]
    recipes = [
        recipe(shared, one.scaled, one.setting, f"{one.family}-{fraction:g}-{repeat}", labels, fraction, repeat)
        for one, fraction, repeat in keys
    ]
    found: dict[tuple[str, float], list[Run]] = {}
    for (one, fraction, _), made, run in zip(
        keys, recipes, trainings.finish(recipes, runs, jobs, "training", lock), strict=True
    ):
        if run is None:
            raise GateFailed(
                f"The loss of {made.name} stopped being a number at the learning rate {made.optim.lr:g}.",
                "a smaller one: -s optim.lr=... for the recipe's net, or more --trials, in another --output",
            )
        found.setdefault((one.family, fraction), []).append(run)
    cells = [cell(family, fraction, drawn(labels, fraction), members) for (family, fraction), members in found.items()]
    return cells, {one.family: found[one.family, plan.fractions[-1]][0] for one in contenders}


def cell(family: str, fraction: float, pictures: int, runs: Sequence[Run]) -> Cell:
    """What the repeats of one family on one share reach on the test split."""
    scores = [trainings.score(run) for run in runs]
    mean, low, high = interval(scores)
    return Cell(
        family=family,
        fraction=fraction,
        pictures=pictures,
        epochs=runs[0].recipe.epochs,
        top1_percents=tuple(one.percent for one in scores),
        mean_percent=mean,
        low_percent=low,
        high_percent=high,
        train_seconds=sum(run.train_seconds for run in runs),
    )


def interval(scores: Sequence[Score]) -> tuple[float, float, float]:
    """(mean, low, high) in percent: Student's t over repeats; of a single one, Wilson's over its test pictures."""
    if len(scores) == 1:
        one = stats.wilson(scores[0].correct, scores[0].n)
        return one.percent, one.low_percent, one.high_percent
    mean, low, high = mean_interval([one.percent for one in scores])
    return mean, max(0.0, low), min(100.0, high)
