"""Learning curves: the accuracy of every family on every share of the training pictures, over repeats."""

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
    """Train every family on every share, `plan.repeats` times.

    A few pictures (`plan.watch_pictures`) are held out to monitor trainings; shares are drawn from the rest. The order
    is by repeat, then by share, the smallest first, so that a duel that is stopped early has whole curves.

    Args:
        plan: what is trained.
        contenders: the tuned families.
        labels: classes of the whole training set, (N,).
        runs: folder of the run folders.
        jobs: trainings at a time.
        lock: descriptor of the lock that trainings inherit.

    Returns:
        (a cell for every family and share, each family's first run on the largest share).

    Raises:
        GateFailed: the loss of a training stopped being a number.
    """
    share = min(plan.recipe.data.validation, plan.watch_pictures / len(labels))
    watched = dataclasses.replace(plan.recipe.data, validation=share)
    shared = dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, data=watched))
    labels = data.load(watched).train.labels
    keys = [
        (contender, fraction, repeat)
        for repeat in range(plan.repeats)
        for fraction in plan.fractions
        for contender in contenders
    ]
    recipes = [
        recipe(
            shared,
            contender.scaled,
            contender.setting,
            f"{contender.family}-{fraction:g}-{repeat}",
            labels,
            fraction,
            repeat,
        )
        for contender, fraction, repeat in keys
    ]
    runs_by_cell: dict[tuple[str, float], list[Run]] = {}
    for (contender, fraction, _), planned, run in zip(
        keys, recipes, trainings.finish(recipes, runs, jobs, "training", lock), strict=True
    ):
        if run is None:
            raise GateFailed(
                f"The loss of {planned.name} stopped being a number at the learning rate {planned.optim.lr:g}.",
                "a smaller one: -s optim.lr=... for the recipe's net, or more --trials, in another --output",
            )
        runs_by_cell.setdefault((contender.family, fraction), []).append(run)
    cells = [
        cell(family, fraction, drawn(labels, fraction), members) for (family, fraction), members in runs_by_cell.items()
    ]
    return cells, {contender.family: runs_by_cell[contender.family, plan.fractions[-1]][0] for contender in contenders}


def cell(family: str, fraction: float, pictures: int, runs: Sequence[Run]) -> Cell:
    """Summarise the test accuracy of one family's repeats on one share."""
    scores = [trainings.score(run) for run in runs]
    mean, low, high = interval(scores)
    return Cell(
        family=family,
        fraction=fraction,
        pictures=pictures,
        epochs=runs[0].recipe.epochs,
        top1_percents=tuple(score.percent for score in scores),
        mean_percent=mean,
        low_percent=low,
        high_percent=high,
        train_seconds=sum(run.train_seconds for run in runs),
    )


def interval(scores: Sequence[Score]) -> tuple[float, float, float]:
    """Average scores, with a 95 % interval.

    Returns:
        (mean, low, high) in percent: Student's t over repeats; for a single one, Wilson's over its test pictures.
    """
    if len(scores) == 1:
        top1 = stats.wilson(scores[0].correct, scores[0].n)
        return top1.percent, top1.low_percent, top1.high_percent
    mean, low, high = mean_interval([score.percent for score in scores])
    return mean, max(0.0, low), min(100.0, high)
