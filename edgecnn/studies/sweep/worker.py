"""A worker of a sweep: it takes trials and trains them, one after the other, until the sweep is done or time is up.

Several may be at work at once, here or elsewhere. One that is killed leaves a trial that the next worker resumes.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.common import plugins
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, GateFailed, UsageError
from edgecnn.pipeline.train import phases
from edgecnn.pipeline.train.train import train
from edgecnn.records import history
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Run, is_free, open_run
from edgecnn.studies.sweep import claims
from edgecnn.studies.sweep.claims import Claimed, Claims
from edgecnn.studies.sweep.objectives import OBJECTIVES, OF_AN_EPOCH
from edgecnn.studies.sweep.study import SweepJob, open_study

if TYPE_CHECKING:
    import optuna
    from torch import nn

POLL_S = 0.5
"""Seconds between two looks for a trial, while all are finished or at work elsewhere."""
MOST_DEATHS = 25
"""So many workers in a row may die of a trial without an epoch before it counts as failed."""
MOST_FAILURES = 5
"""So many trials in a row may fail before a worker stops: it is not the points that are wrong."""


class _TimeIsUp(Exception):
    """The hours are over; the trial is resumed when the sweep goes on."""


class _Failed(Exception):
    """A trial cannot be trained; the text says why."""


@dataclass(frozen=True, kw_only=True)
class FinishedTrial:
    """The outcome of a trial, for a line to the user."""

    number: int
    words: str
    failed: bool = False


def work(
    job: SweepJob, until: float = float("inf"), tell: Callable[[FinishedTrial], None] = lambda outcome: None
) -> None:
    """Take trials and train them until as many are finished as the plan wants, by whichever worker.

    Args:
        job: The sweep.
        until: When to stop, as `time.time` tells it; a training that is at work then stops after its epoch.
        tell: Called with every trial that this worker has finished.

    Raises:
        EnvironmentUnfit: This machine cannot train, or MOST_FAILURES trials in a row failed. Trials that are not
            finished wait for the next worker.
    """
    study = open_study(job)
    queue, failures = Claims(job, study), 0
    while time.time() < until:
        with queue.next() as claimed:
            if claimed is not None:
                try:
                    outcome = _finished(claimed, job, until)
                except _TimeIsUp:
                    return
                tell(outcome)
                failures = failures + 1 if outcome.failed else 0
        if failures >= MOST_FAILURES:
            raise EnvironmentUnfit(f"The last {failures} trials all failed: {outcome.words}.", "look at the space")
        if claimed is None:
            if queue.is_done():
                return
            time.sleep(POLL_S)


def _finished(claimed: Claimed, job: SweepJob, until: float) -> FinishedTrial:
    """Finish a trial: by its twin, by a training, or as failed."""
    import optuna
    from optuna.trial import TrialState

    trial, study = claimed.trial, claimed.trial.study
    number = trial.number
    try:
        if claimed.twin is not None and (repeated := _repeated(claimed.trial, claimed.twin)):
            return FinishedTrial(number=number, words=repeated)
        if claimed.recipe is None:
            raise _Failed(claimed.why)
        deaths = trial.user_attrs.get(claims.DEATHS, (0, 0))[1]
        if deaths >= MOST_DEATHS:
            raise _Failed(f"{deaths} workers in a row died of it without an epoch: out of memory, most likely")
        run = _trained(claimed.recipe, trial, job, until)
        values = [float(OBJECTIVES[name].of(run)) for name in job.plan.objectives]
        study.tell(trial, values, skip_if_finished=True)
        return FinishedTrial(number=number, words=", ".join(map(_shown, job.plan.objectives, values)))
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        return FinishedTrial(number=number, words="pruned")
    except _Failed as failure:
        why = " ".join(str(failure).split()).rstrip(".")
        trial.set_user_attr(claims.WHY, why)
        study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
        return FinishedTrial(number=number, words=f"failed: {why}", failed=True)
    except optuna.exceptions.UpdateFinishedTrialError:  # we were thought dead, and another has been quicker
        return FinishedTrial(number=number, words="finished by another worker meanwhile")


def _trained(recipe: Recipe, trial: optuna.Trial, job: SweepJob, until: float) -> Run:
    """Train the trial's run, or resume it, and report every epoch.

    Raises:
        optuna.TrialPruned: It does worse than others did.
        _Failed: It cannot be trained.
        _TimeIsUp: The hours are over.
        EnvironmentUnfit: This machine cannot train; the trial waits for the next worker.
    """
    folder = job.run_folder(trial.number)
    if (folder / "run.json").is_file():
        return open_run(folder)
    epochs, begun = phases.phases_of(recipe)[-1].end, not is_free(folder)

    def watch(epoch: int, net: nn.Module | None = None) -> None:
        if epoch == 0:
            return
        _report(trial, job, epochs)
        if epoch < epochs and time.time() >= until:
            raise _TimeIsUp

    try:
        if begun:
            _report(trial, job, epochs)  # a kill may have come between the checkpoint and the report
        with contextlib.redirect_stderr(io.StringIO()):  # nobody reads the progress of hundreds of epochs
            return train(recipe, folder, resume=begun, watch=watch)
    except (GateFailed, UsageError) as error:
        raise _Failed(error.sentence) from error
    except (EdgecnnError, _TimeIsUp, KeyboardInterrupt):
        raise
    except Exception as error:
        if type(error).__module__.startswith("optuna"):
            raise
        raise _Failed(plugins.reason(error)) from error


def _report(trial: optuna.Trial, job: SweepJob, epochs: int) -> None:
    """Tell the study every epoch that it does not know yet. Raises TrialPruned if that is enough."""
    import optuna

    if len(job.plan.objectives) > 1:
        return  # Optuna takes no reports of several objectives
    (objective,) = job.plan.objectives
    known = trial.study._storage.get_trial(trial._trial_id).intermediate_values
    values = history.columns(job.run_folder(trial.number) / history.FILE)[OF_AN_EPOCH[objective]]
    for step, value in enumerate(values):  # Optuna counts steps from 0
        if step not in known:
            trial.report(value, step)
        if step + 1 == len(values) < epochs and trial.should_prune():
            raise optuna.TrialPruned


def _repeated(trial: optuna.Trial, twin: optuna.trial.FrozenTrial) -> str:
    """Tell the study what a trial of the same recipe came to, and return the words; empty if it came to nothing."""
    from optuna.trial import TrialState

    trial.set_user_attr(claims.REPEATS, twin.number)
    if twin.state == TrialState.COMPLETE:
        trial.study.tell(trial, twin.values, skip_if_finished=True)
    elif twin.state == TrialState.PRUNED and len(trial.study.directions) == 1:
        for step, value in sorted(twin.intermediate_values.items()):
            trial.report(value, step)
        trial.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
    else:
        why = twin.user_attrs.get(claims.WHY, "which is not finished")
        trial.set_user_attr(claims.WHY, f"the same recipe as trial {twin.number}: {why}")
        trial.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
    return f"the same recipe as trial {twin.number}, not trained again"


def _shown(name: str, value: float) -> str:
    unit = OBJECTIVES[name].unit
    words = f"{value:,.2f}" if name in OF_AN_EPOCH else f"{value:,.0f}"
    return f"{name} {words}{f' {unit}' if unit == '%' else ''}"


def line(outcome: FinishedTrial) -> str:
    """Return a line about a trial."""
    return f"trial {outcome.number}: {outcome.words}"
