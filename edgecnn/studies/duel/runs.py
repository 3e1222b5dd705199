"""The trainings of a duel: ordinary run folders, so that a duel that was killed can continue."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgecnn.common import config, console, documents, files, locks, scratch
from edgecnn.errors import EnvironmentUnfit, GateFailed, RunError
from edgecnn.pipeline.export import check
from edgecnn.pipeline.train import seen
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Run, is_free, open_run

SCORE = "test.json"
"""File in a run folder with the number of test pictures the net classifies correctly."""

KIND = documents.Kind(name="score", words="a score", error=RunError, hint="remove it, and it is counted again")


@dataclass(frozen=True)
class Score:
    """Top-1 of the float net on the whole test split."""

    correct: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.n or not self.n:
            raise ValueError(f"{self.correct} of {self.n} pictures is no accuracy")

    @property
    def percent(self) -> float:
        return 100 * self.correct / self.n


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[int]:
    """Lock `folder` for one duel.

    Yields:
        The lock's file descriptor, for trainings in processes of their own to inherit.

    Raises:
        RunError: another duel, or a training it left behind, is at work there.
    """
    with locks.held(files.make_folder(folder) / ".lock", "duel, or a training it left behind,") as lock:
        yield lock


def finish(recipes: Sequence[Recipe], runs: Path, jobs: int, word: str, lock: int) -> list[Run | None]:
    """Train all recipes, each into runs/<its name>.

    A finished run is kept as it is, an unfinished one continues from its checkpoint.

    Args:
        recipes: what to train.
        runs: folder of the run folders.
        jobs: trainings at a time; if several, each is a process of its own.
        word: the word for a training in progress notes: "trial".
        lock: descriptor of the duel's lock, inherited by processes.

    Returns:
        The runs in the order of the recipes, None for each whose loss stopped being a number.

    Raises:
        RunError: a folder holds another recipe's run.
        EnvironmentUnfit: a training in a process of its own failed.
    """
    files.make_folder(runs)
    done = 0

    def finish_one(recipe: Recipe) -> Run | None:
        nonlocal done
        is_new = not (runs / recipe.name / "run.json").is_file()
        run = _finished(recipe, runs, None if jobs == 1 else lock)
        done += 1
        if is_new:
            outcome = (
                f"validation {run.validation_top1_percent:.1f} %, {run.train_seconds:.0f} s" if run else "diverged"
            )
            console.note(f"{recipe.name}: {outcome}  ({word} {done} of {len(recipes)})")
        return run

    if jobs == 1:
        return [finish_one(recipe) for recipe in recipes]
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(finish_one, recipe) for recipe in recipes]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def score(run: Run) -> Score:
    """Return the run's score on its whole test split, which is computed once and kept in its folder."""
    path = run.folder / SCORE
    if not path.is_file():
        test = seen.splits_of(run).test
        correct = check.reference_logits(run, test.images).argmax(1) == test.labels
        files.write_json(path, {"correct": int(correct.sum()), "n": len(test)})
    with KIND.expected(path):
        return config.build(Score, documents.table(path), path.name)


def _finished(recipe: Recipe, runs: Path, lock: int | None) -> Run | None:
    folder = runs / recipe.name
    if (folder / "run.json").is_file():
        run = open_run(folder)
        if run.recipe != recipe:
            raise RunError(f"{folder} holds a run of another duel.", "choose another --name or --output")
        return run
    try:
        if lock is not None:
            _in_a_process(recipe, folder, lock)
            return open_run(folder)
        with contextlib.redirect_stderr(io.StringIO()):  # nobody reads the progress of hundreds of epochs
            return train(recipe, folder, resume=not is_free(folder))
    except GateFailed:
        return None


def _in_a_process(recipe: Recipe, folder: Path, lock: int) -> None:
    """Train in a process of its own: `edgecnn train`.

    Raises:
        GateFailed: the training diverged.
        RunError: `folder` holds another recipe's run.
        EnvironmentUnfit: the process ended with another error.
    """
    if not is_free(folder):
        saved = plans.load(Recipe, str(folder / "recipe.toml"))
        if saved != recipe:
            raise RunError(f"{folder} holds a run of another duel.", "choose another --name or --output")
        arguments, plan_text = [str(folder), "--resume"], ""
    else:
        arguments, plan_text = ["--output", str(folder.parent), "--name", folder.name], plans.dump(recipe)
    with scratch.folder() as work:
        if plan_text:
            plan = work / f"{recipe.name}.toml"
            plan.write_text(plan_text, encoding="utf-8")
            arguments = [str(plan), *arguments]
        process = subprocess.run(
            [sys.executable, "-m", "edgecnn", "--quiet", "train", *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            pass_fds=(lock,),  # a training that outlives its duel keeps the folder locked
        )
    if process.returncode == GateFailed.exit_code:
        raise GateFailed(process.stderr.strip())
    if process.returncode:
        raise EnvironmentUnfit(
            f"The training {recipe.name} ended with {process.returncode}: {process.stderr.strip()[-300:]}"
        )
