"""Optuna's study of a sweep: where it is stored, who draws its points, and whether it is this sweep's."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.common import config, documents, files, locks, plugins
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, MissingPackage, PlanError, RunError
from edgecnn.records.recipe import Recipe
from edgecnn.studies.sweep import plan as plans
from edgecnn.studies.sweep.objectives import OBJECTIVES
from edgecnn.studies.sweep.plan import SweepPlan

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

JOURNAL = "journal.log"
"""Optuna's journal in the folder of a sweep, unless --storage names another place."""
DIGEST = "edgecnn_sweep"
"""The study's attribute that tells one sweep from another of its name."""


@dataclass(frozen=True, kw_only=True)
class SweepJob:
    """A sweep as a worker needs it; every process of it, on any machine, makes its own of the same words."""

    recipe: Recipe
    plan: SweepPlan
    folder: Path
    """Absolute, for a worker may have another working folder."""
    storage: str = ""
    """The path of a journal, or the URL of a database; empty for the journal in the folder."""

    @property
    def name(self) -> str:
        """The study's name."""
        return self.folder.name

    @property
    def runs(self) -> Path:
        """The folder of the trials' run folders."""
        return self.folder / "runs"

    def run_folder(self, number: int) -> Path:
        """Return the run folder of a trial."""
        return self.runs / f"trial-{number:04d}"


def to_table(job: SweepJob) -> dict[str, Any]:
    """Return a job as a table, for a worker in another process."""
    return {
        "recipe": config.table_of(job.recipe),
        "plan": {**plans.to_table(job.plan), "trials": job.plan.trials},
        "folder": str(job.folder),
        "storage": job.storage,
    }


def from_table(table: Mapping[str, Any]) -> SweepJob:
    """Return the job that `to_table` made the table of."""
    return SweepJob(
        recipe=config.build(Recipe, table["recipe"], "recipe"),
        plan=config.build(SweepPlan, table["plan"], "plan"),
        folder=Path(table["folder"]),
        storage=table["storage"],
    )


def require_optuna() -> None:
    """Raise MissingPackage if Optuna is not installed."""
    if find_spec("optuna") is None:
        raise MissingPackage("optuna", "sweep", "A sweep")


def open_study(job: SweepJob) -> optuna.Study:
    """Open the sweep's study, or create it.

    Raises:
        MissingPackage: Optuna is not installed, or what one of its samplers needs.
        PlanError: The sampler or the pruner takes no such argument.
        RunError: The study of that name is another sweep's.
        EnvironmentUnfit: The storage cannot be opened.
    """
    require_optuna()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    try:
        study = optuna.create_study(
            study_name=job.name,
            storage=open_storage(job),
            directions=[OBJECTIVES[name].direction for name in job.plan.objectives],
            sampler=sampler(job.plan, 0),
            pruner=_pruner(job.plan),
            load_if_exists=True,
        )
    except EdgecnnError:
        raise
    except ImportError as error:
        raise EnvironmentUnfit(
            f"The driver of the database {job.storage.partition('://')[0]} is not installed.",
            "PostgreSQL's is `pip install psycopg2-binary`, for --storage postgresql+psycopg2://user@host/name",
        ) from error
    except Exception as error:  # each database has errors of its own
        raise EnvironmentUnfit(
            f"The storage of the sweep cannot be opened: {plugins.reason(error)}.",
            "--storage takes the path of a journal, or the URL of a database, such as sqlite:///sweep.db",
        ) from error
    _require_ours(study, job)
    study.stop = lambda: None  # type: ignore[method-assign]  # BruteForceSampler's wish when all is drawn: then come repeats
    return study


def open_storage(job: SweepJob) -> BaseStorage:
    """Open the storage: a journal, or a database for a URL."""
    from optuna.storages import RDBStorage
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    if "://" in job.storage:
        return RDBStorage(job.storage)
    path = Path(job.storage).absolute() if job.storage else job.folder / JOURNAL
    files.make_folder(path.parent)
    lock: Any = _KernelLock(path)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


class _KernelLock:
    """A journal's lock that the kernel frees when its holder dies; Optuna's own ones are waited for, 30 s."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f".{path.name}.lock")
        self._held = contextlib.ExitStack()

    def acquire(self) -> bool:
        """Wait for the lock; Optuna asks for it."""
        with contextlib.ExitStack() as lock:
            lock.enter_context(locks.in_turn(self._path))
            self._held = lock.pop_all()  # now, for until then it is another thread's
        return True

    def release(self) -> None:
        """Free the lock."""
        self._held.close()


def sampler(plan: SweepPlan, number: int) -> optuna.samplers.BaseSampler:
    """Return the sampler that draws one trial's point, by a seed of that trial's own.

    So no two workers draw by the same seed, and a sweep of one worker draws the same points after a kill as without.

    Raises:
        MissingPackage: It needs a package that is not installed.
        PlanError: It takes no such argument.
    """
    import optuna

    name = plan.sampler.name
    drawn = name != "QMCSampler"  # of its sequence each trial takes the next element
    digest = hashlib.sha256(f"{plan.seed} {number if drawn else 0}".encode()).digest()
    seed = int.from_bytes(digest[:4], "big")
    made: optuna.samplers.BaseSampler = _called(
        getattr(optuna.samplers, name), plan.sampler.options, "[sampler]", seed=seed
    )
    return made


def _pruner(plan: SweepPlan) -> optuna.pruners.BasePruner:
    import optuna

    made: optuna.pruners.BasePruner = _called(
        getattr(optuna.pruners, plan.pruner.name), plan.pruner.options, "[pruner]"
    )
    return made


def _called(kind: Any, options: Mapping[str, Any], source: str, **own: Any) -> Any:
    """Return Optuna's object of a kind, after a check of the arguments that the plan gives it."""
    try:
        return plugins.call(kind, options, source, **own)
    except (TypeError, ValueError) as error:
        raise PlanError(f"{source} {kind.__name__}: {plugins.reason(error)}.") from error
    except ImportError as error:
        raise MissingPackage(str(error.name or "cmaes"), None, f"Optuna's {kind.__name__}") from error


def _require_ours(study: optuna.Study, job: SweepJob) -> None:
    """Raise RunError if the study was begun by another recipe or another plan, but for its number of trials."""
    recipe = config.table_of(job.recipe, sparse=True)
    whole = documents.canonical({"recipe": recipe, "plan": plans.to_table(job.plan)})
    digest = hashlib.sha256(whole.encode()).hexdigest()
    begun = study.user_attrs.get(DIGEST)
    if begun is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(DIGEST, digest)
    elif begun != digest:
        raise RunError(
            f"The study {job.name} is another sweep's: recipe and plan are not those it was begun with.",
            "choose another --name; only the number of trials may change",
        )
