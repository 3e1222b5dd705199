"""The study: a recipe's keys searched by trials that are ordinary runs.

<output>/
    journal.log     Optuna's study, which its own tools open too; --storage puts it elsewhere
    runs/           one run for each trial that was trained: trial-0007
    locks/          who is at work on which trial
    sweep.json      all trials, the front and the importances (`edgecnn.studies.findings.Sweep`)
    best.toml       the recipe that did best, which `edgecnn train` takes

The same command again, here or where the folder or the storage can be reached, joins the sweep or goes on with it.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from edgecnn.common import console, files
from edgecnn.errors import UsageError
from edgecnn.nets import code
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.studies import findings
from edgecnn.studies.findings import Sweep
from edgecnn.studies.sweep import on_ray, plan, processes, results, worker
from edgecnn.studies.sweep.plan import SweepPlan
from edgecnn.studies.sweep.show import show as show
from edgecnn.studies.sweep.study import SweepJob, open_study

RESULT = "sweep.json"
BEST = "best.toml"


def run(
    recipe: Recipe,
    asked: SweepPlan,
    output: Path,
    command: str,
    *,
    storage: str = "",
    jobs: int = 1,
    hours: float | None = None,
    on: str = "",
    only_show: bool = False,
) -> Sweep:
    """Run a sweep, join it, or do what is left of it, and write what it has come to.

    Args:
        recipe: What is searched around.
        asked: What is searched, and how.
        output: The sweep's folder, whose name is the study's.
        command: The command line that repeats it, for the record.
        storage: The path of a journal of Optuna's, or the URL of a database; the journal in the folder by default.
        jobs: Trials at a time; with Ray 0 takes as many as the cluster has CPUs.
        hours: After which no more is trained; what is at work is resumed next time.
        on: Where the workers run: "" here, "ray" on a Ray of this machine's own, or a cluster's address.
        only_show: Train nothing; gather what is there.

    Returns:
        All trials until now.

    Raises:
        PlanError: The plan does not fit the recipe.
        MissingPackage: Optuna is missing, or Ray.
        RunError: The study of that name is another sweep's.
        EnvironmentUnfit: The storage or the cluster cannot be reached, or this machine cannot train.
    """
    if jobs < 1 and not on:
        raise UsageError(f"A sweep cannot train {jobs} nets at a time.", "--jobs 1")
    if hours is not None and not hours > 0:
        raise UsageError(f"--hours {hours:g} is no time to train in.", "--hours 2")
    code.allow(recipe.net.name)
    whole_epochs = recipe.epochs
    if asked.epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=asked.epochs)
    plan.check(asked, recipe)
    if storage and "://" not in storage:
        storage = str(Path(storage).absolute())  # for workers with another working folder
    job = SweepJob(recipe=recipe, plan=asked, folder=output.absolute(), storage=storage)
    study = open_study(job)
    until = time.time() + 3600 * hours if hours is not None else float("inf")
    if only_show:
        if not study.get_trials(deepcopy=False):
            raise UsageError(f"The sweep {job.name} has no trials yet.", "leave out --show")
    elif on:
        on_ray.work(job, until, on, jobs)
    elif jobs > 1:
        processes.work(job, until, jobs)
    else:
        worker.work(job, until, lambda outcome: console.note(worker.line(outcome)))
    sweep = results.gather(job, study, command)
    findings.write(sweep, job.folder / RESULT)
    if best := results.best_recipe(job, study, sweep, whole_epochs):
        files.write_text(job.folder / BEST, plans.dump(best))
    return sweep
