"""Choose the trial that a worker takes: one whose worker has died, one that waits, or a new one.

A worker holds a lock file for its trial, which the kernel frees when it dies. Workers with other disks do not see that
file; they see the trial's heartbeat in the storage, and take a trial over whose heart has not beaten for a while.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.common import config, documents, files, locks
from edgecnn.errors import PlanError, RunError
from edgecnn.records.recipe import OF_THE_MACHINE, Recipe
from edgecnn.studies.sweep import plan as plans
from edgecnn.studies.sweep import study as studies
from edgecnn.studies.sweep.plan import Dimension
from edgecnn.studies.sweep.study import SweepJob

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

BEAT_S = 20.0
"""Seconds between two beats of a trial whose storage other disks share."""
MANY_DEATHS = 3
"""A trial of which so many workers in a row died without an epoch is taken when no other is left."""
GRACE_S = 180.0
"""Seconds without a beat, by the clock of whoever watches, after which a worker on another disk counts as dead."""
PLACE, BEAT, POINT, WHY, REPEATS, DEATHS = (
    "edgecnn_place", "edgecnn_beat", "edgecnn_point", "edgecnn_why", "edgecnn_repeats", "edgecnn_deaths",
)  # fmt: skip
"""Attributes of a trial: whose disk its run is on, its heartbeat, a digest of its recipe, why it failed, the trial it
repeats, and how many workers died of it without an epoch."""


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A trial that is this worker's alone."""

    trial: optuna.Trial
    recipe: Recipe | None
    """None if the values of the point do not fit each other."""
    why: str = ""
    """Why they do not."""
    twin: FrozenTrial | None = None
    """An earlier trial of the same recipe."""


class Claims:
    """The trials of a sweep, as one worker takes them."""

    def __init__(self, job: SweepJob, study: optuna.Study) -> None:
        self._job, self._study = job, study
        self._locks = files.make_folder(job.folder / "locks")
        self._place = _place(job.folder)
        self._seen: dict[int, tuple[object, float]] = {}  # trial -> (its last beat, when it was first seen)

    @contextlib.contextmanager
    def next(self) -> Iterator[Claimed | None]:
        """Take a trial for the block; yields None if all are finished or at work elsewhere."""
        with contextlib.ExitStack() as held:
            with locks.in_turn(self._locks / "next.lock"):  # what follows depends on the trials that are there
                trial = self._taken(held)
                claimed = self._prepared(trial) if trial is not None else None
            if claimed is not None and self._job.storage:
                held.enter_context(_beating(claimed.trial))
            yield claimed

    def is_done(self) -> bool:
        """Return whether there are as many trials as the plan wants, and all are finished."""
        trials = self._trials()
        return len(trials) >= self._job.plan.trials and all(trial.state.is_finished() for trial in trials)

    def _taken(self, held: contextlib.ExitStack) -> optuna.Trial | None:
        import optuna
        from optuna.trial import TrialState

        storage, trials = self._study._storage, self._trials()
        if not trials and (own := _own_point(self._job)):
            self._study.enqueue_trial(own)  # the recipe as it is, so that what wins is no worse
            trials = self._trials()
        is_full = len(trials) >= self._job.plan.trials
        for trial in trials:
            if trial.user_attrs.get(DEATHS, (0, 0))[1] >= MANY_DEATHS and not is_full:
                continue  # another point first
            if trial.state == TrialState.RUNNING and self._is_abandoned(trial) and self._takes_over(trial, held):
                break
            is_waiting = trial.state == TrialState.WAITING
            if is_waiting and storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                self._lock(trial.number, held)
                break
        else:
            if is_full:
                return None
            trial = storage.get_trial(storage.create_new_trial(self._study._study_id))
            self._lock(trial.number, held)
        self._study.sampler = studies.sampler(self._job.plan, trial.number)
        taken = optuna.Trial(self._study, trial._trial_id)
        taken.set_user_attr(PLACE, self._place)
        return taken

    def _is_abandoned(self, trial: FrozenTrial) -> bool:
        """Return whether nobody on another disk is at work on the trial; of one on this disk the lock will tell."""
        place = trial.user_attrs.get(PLACE)
        if place == self._place:
            return True
        if not self._job.storage and place is None:
            return True  # its worker died before it could say where it was
        beat = (place, trial.user_attrs.get(BEAT))
        if self._seen.get(trial.number, (None, 0.0))[0] != beat:
            self._seen[trial.number] = beat, time.monotonic()
        return time.monotonic() - self._seen[trial.number][1] > GRACE_S

    def _takes_over(self, trial: FrozenTrial, held: contextlib.ExitStack) -> bool:
        """Lock a trial whose worker has died; return whether that was so. Deaths since its last epoch are counted."""
        with contextlib.ExitStack() as lock:
            try:
                self._lock(trial.number, lock)
            except RunError:
                return False
            if self._trials()[trial.number].state.is_finished():  # since we looked
                return False
            held.enter_context(lock.pop_all())
        before, deaths = trial.user_attrs.get(DEATHS, (0, 0))
        now = epochs(self._job.run_folder(trial.number))
        self._study._storage.set_trial_user_attr(trial._trial_id, DEATHS, (now, deaths + 1 if now == before else 1))
        return True

    def _lock(self, number: int, held: contextlib.ExitStack) -> None:
        held.enter_context(locks.held(self._locks / f"trial-{number:04d}.lock", "trial"))

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _prepared(self, trial: optuna.Trial) -> Claimed:
        """Draw the trial's point, if that is not done yet, and see whether it was drawn before."""
        plan = self._job.plan
        parameters = {key: _suggested(trial, key, dimension) for key, dimension in plan.space.items()}
        try:
            recipe = plans.recipe_of(plan, self._job.recipe, parameters, f"{self._job.name}-{trial.number:04d}")
        except PlanError as error:
            return Claimed(trial=trial, recipe=None, why=error.sentence)
        point = _digest(recipe)
        trial.set_user_attr(POINT, point)
        earlier = self._trials()[: trial.number]
        twins = [trial for trial in earlier if trial.user_attrs.get(POINT) == point and REPEATS not in trial.user_attrs]
        return Claimed(trial=trial, recipe=recipe, twin=twins[0] if twins else None)


def _suggested(trial: optuna.Trial, key: str, dimension: Dimension) -> Any:
    """Return a trial's value of a key, drawn now if it was not before."""
    if dimension.choice:
        return trial.suggest_categorical(key, [plans.kept(value) for value in dimension.choice])
    assert dimension.low is not None
    assert dimension.high is not None
    low, high, step = dimension.low, dimension.high, dimension.step
    if dimension.is_whole:
        return trial.suggest_int(key, int(low), int(high), step=int(step or 1), log=dimension.log)
    return trial.suggest_float(key, low, high, step=step, log=dimension.log)


def _own_point(job: SweepJob) -> dict[str, Any]:
    """Return the recipe's own values of what is searched; empty if the space does not hold one of them."""
    values = {key: plans.value_at(job.recipe, key) for key in job.plan.space}
    if not all(value is not None and job.plan.space[key].holds(value) for key, value in values.items()):
        return {}
    return {key: plans.kept(value) for key, value in values.items()}


def _digest(recipe: Recipe) -> str:
    """Return a digest that is equal for recipes that learn the same."""
    table = config.table_of(recipe, sparse=True)
    for key in ("name", *OF_THE_MACHINE):
        table.pop(key, None)
    return hashlib.sha256(documents.canonical(table).encode()).hexdigest()[:16]


def epochs(folder: Path) -> int:
    """Return how many epochs a run's metrics.csv tells of."""
    try:
        return len((folder / "metrics.csv").read_text(encoding="utf-8").splitlines()) - 1
    except OSError:
        return 0


def _place(folder: Path) -> str:
    """Return a name of the disk that a sweep's folder is on, which all workers that see the folder share."""
    path = folder / ".place"
    with locks.in_turn(folder / ".place.lock"):
        if not path.is_file():
            files.write_text(path, uuid.uuid4().hex)
        return path.read_text(encoding="utf-8")


@contextlib.contextmanager
def _beating(trial: optuna.Trial) -> Iterator[None]:
    """Write a beat into the storage every BEAT_S during the block."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_S):
            trial.set_user_attr(BEAT, time.time())

    trial.set_user_attr(BEAT, time.time())
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
