"""The trainings of a duel: ordinary runs, one folder each, so that a duel that was killed goes on where it stood."""

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
"""Beside a run's other files: how many pictures of the test split it gets right."""

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
    """Hold `folder` for one duel and its trainings, which get the lock; RunError if another is at work there."""
    with locks.held(files.make_folder(folder) / ".lock", "duel, or a training it left behind,") as lock:
        yield lock


def finish(recipes: Sequence[Recipe], runs: Path, jobs: int, what: str, lock: int) -> list[Run | None]:
    """The finished runs of all recipes, each in runs/<its name>; None for one whose loss stopped being a number.

    A finished run is taken as it is, a begun one goes on from its checkpoint. With several jobs each training
    is a process of its own.

    Raises RunError if a folder holds another recipe's run, and what a training raises.
    """
    files.make_folder(runs)
    done = 0

    def one(recipe: Recipe) -> Run | None:
        nonlocal done
        fresh = not (runs / recipe.name / "run.json").is_file()
        run = _finished(recipe, runs, None if jobs == 1 else lock)
        done += 1
        if fresh:
            says = f"validation {run.validation_top1_percent:.1f} %, {run.train_seconds:.0f} s" if run else "diverged"
            console.note(f"{recipe.name}: {says}  ({what} {done} of {len(recipes)})")
        return run

    if jobs == 1:
        return [one(recipe) for recipe in recipes]
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(one, recipe) for recipe in recipes]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def score(run: Run) -> Score:
    """The run on its whole test split, counted once and kept in its folder."""
    path = run.folder / SCORE
    if not path.is_file():
        test = seen.splits_of(run).test
        right = check.reference_logits(run, test.images).argmax(1) == test.labels
        files.write_json(path, {"correct": int(right.sum()), "n": len(test)})
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
        with contextlib.redirect_stderr(io.StringIO()):  # hundreds of epochs, of which nobody reads any
            return train(recipe, folder, resume=not is_free(folder))
    except GateFailed:
        return None


def _in_a_process(recipe: Recipe, folder: Path, lock: int) -> None:
    """`edgecnn train`, as anyone would type it. Raises GateFailed as it does, EnvironmentUnfit with its error."""
    if not is_free(folder):
        written = plans.load(Recipe, str(folder / "recipe.toml"))
        if written != recipe:
            raise RunError(f"{folder} holds a run of another duel.", "choose another --name or --output")
        words, text = [str(folder), "--resume"], ""
    else:
        words, text = ["--output", str(folder.parent), "--name", folder.name], plans.dump(recipe)
    with scratch.folder() as work:
        if text:
            plan = work / f"{recipe.name}.toml"
            plan.write_text(text, encoding="utf-8")
            words = [str(plan), *words]
        done = subprocess.run(
            [sys.executable, "-m", "edgecnn", "--quiet", "train", *words],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            pass_fds=(lock,),  # an orphan of a duel that was killed keeps the folder until it ends
        )
    if done.returncode == GateFailed.exit_code:
        raise GateFailed(done.stderr.strip())
    if done.returncode:
        raise EnvironmentUnfit(f"The training {recipe.name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
