"""The results of a sweep: all trials, the front, the importances of the keys, and the recipe that did best."""

from __future__ import annotations

import dataclasses
import datetime
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgecnn.errors import EdgecnnError
from edgecnn.records import environment
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import open_run
from edgecnn.studies.findings import Sweep, SweepObjective, SweepTrial, TrialOutcome
from edgecnn.studies.sweep import claims, plan
from edgecnn.studies.sweep.objectives import OBJECTIVES
from edgecnn.studies.sweep.study import SweepJob

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

FEWEST = 4
"""So many different points must have been trained to the end before importances say anything."""


def gather(job: SweepJob, study: optuna.Study, command: str) -> Sweep:
    """Return what the study has come to until now; `command` is the command line that repeats the sweep."""
    drawn = study.get_trials(deepcopy=False)
    front = {trial.number for trial in study.best_trials} if any(map(_is_complete, drawn)) else set()
    front -= {trial.number for trial in drawn if claims.REPEATS in trial.user_attrs}
    trials = tuple(_trial(job, trial, trial.number in front) for trial in drawn)
    directions = [OBJECTIVES[name].direction for name in job.plan.objectives]
    return Sweep(
        name=job.name,
        command=command,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        environment=environment.here(),
        recipe=job.recipe.name,
        data=job.recipe.data.name,
        objectives=tuple(
            SweepObjective(name=name, unit=OBJECTIVES[name].unit, direction=OBJECTIVES[name].direction)
            for name in job.plan.objectives
        ),
        trials=trials,
        best=_best(trials, directions),
        validation_n=_validation_n(job, trials),
        importances=_importances(job, study, trials),
        settings=plan.to_table(job.plan),
    )


def best_recipe(job: SweepJob, study: optuna.Study, sweep: Sweep, epochs: int) -> Recipe | None:
    """Return the recipe of the best trial, to be trained whole; None if no trial is finished.

    Args:
        job: The sweep.
        study: Its study.
        sweep: What it has come to.
        epochs: Of the recipe that was searched around, where the plan shortened them; unless they were searched.
    """
    if sweep.best is None:
        return None
    recipe = job.recipe if "epochs" in job.plan.space else dataclasses.replace(job.recipe, epochs=epochs)
    parameters = study.get_trials(deepcopy=False)[sweep.best].params
    return plan.recipe_of(job.plan, recipe, parameters, f"{job.name}-best")


def _trial(job: SweepJob, trial: FrozenTrial, is_on_front: bool) -> SweepTrial:
    folder = job.run_folder(trial.number)
    repeats = trial.user_attrs.get(claims.REPEATS)
    return SweepTrial(
        number=trial.number,
        point={key: plan.written(value) if isinstance(value, str) else value for key, value in trial.params.items()},
        outcome=_outcome(trial),
        values=tuple(trial.values or ()) if _is_complete(trial) else (),
        epochs=claims.epochs(folder),
        why=str(trial.user_attrs.get(claims.WHY, "")),
        repeats=repeats,
        is_on_front=is_on_front,
        seconds=(trial.duration or datetime.timedelta()).total_seconds(),
    )


def _outcome(trial: FrozenTrial) -> TrialOutcome:
    if claims.REPEATS in trial.user_attrs:
        return "repeat"
    outcomes: Mapping[str, TrialOutcome] = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
    return outcomes.get(trial.state.name, "unfinished")


def _is_complete(trial: FrozenTrial) -> bool:
    return trial.state.name == "COMPLETE"


def _best(trials: Sequence[SweepTrial], directions: Sequence[str]) -> int | None:
    """Return the trial of the front that is best by the first objective, of equals by the next ones."""
    signs = [1 if direction == "maximize" else -1 for direction in directions]
    front = [trial for trial in trials if trial.is_on_front]
    best = max(front, key=lambda t: [s * v for s, v in zip(signs, t.values, strict=True)], default=None)
    return best.number if best else None


def _validation_n(job: SweepJob, trials: Sequence[SweepTrial]) -> int:
    """Return how many pictures the trials were validated on, by the first run that is here; 0 if none is."""
    for trial in trials:
        if trial.outcome == "finished":
            try:
                return open_run(job.run_folder(trial.number)).validation_n
            except EdgecnnError:  # it was trained on another machine
                continue
    return 0


def _importances(job: SweepJob, study: optuna.Study, trials: Sequence[SweepTrial]) -> dict[str, dict[str, float]]:
    """Return the share of each objective's variance that each key explains, by fANOVA.

    F. Hutter, H. Hoos and K. Leyton-Brown, 2014, An Efficient Approach for Assessing Hyperparameter Importance, ICML.
    It is left out for fewer than FEWEST points, and for an objective that never changes.
    """
    if sum(trial.outcome == "finished" for trial in trials) < FEWEST:
        return {}
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    shares = {}
    for place, name in enumerate(job.plan.objectives):
        if len({trial.values[place] for trial in trials if trial.outcome == "finished"}) < 2:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shares[name] = dict(
                get_param_importances(
                    study,
                    evaluator=FanovaImportanceEvaluator(seed=0),
                    target=lambda trial, place=place: trial.values[place],  # type: ignore[misc]
                )
            )
    return shares
