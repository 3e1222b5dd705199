"""`edgecnn train --repeats N`: one recipe trained with N seeds, and how much its accuracy varies by chance."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.common import files
from edgecnn.common.stats import mean_interval
from edgecnn.errors import RunError
from edgecnn.pipeline.train import distributed
from edgecnn.pipeline.train.train import train
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Run, is_free, is_run

SUMMARY = "repeats.json"


@dataclass(frozen=True)
class Repeats:
    """The validation top-1 of runs that differ in their seed only."""

    recipe: str
    seeds: tuple[int, ...]
    top1_percents: tuple[float, ...]
    mean_percent: float
    deviation_pp: float
    """Standard deviation over the seeds (n - 1)."""
    low_percent: float
    """Lower end of the mean's 95 % interval, by Student's t."""
    high_percent: float
    """Its upper end."""
    validation_n: int
    train_seconds: float
    """Sum over all runs."""

    def __str__(self) -> str:
        return (
            f"validation top-1 {self.mean_percent:.2f} % [{self.low_percent:.2f}, {self.high_percent:.2f}] "
            f"(sd {self.deviation_pp:.2f} pp, n {len(self.seeds)} seeds, {self.validation_n:,} pictures each)"
        )


def repeat(
    recipe: Recipe, folder: Path, count: int, resume: bool = False, trackers: Sequence[str] = (), force: bool = False
) -> tuple[list[Run], Repeats]:
    """Train a recipe with its seed and the ones that follow, and write a summary of the runs.

    All runs are validated on the same images.

    Args:
        recipe: its seed is the first.
        folder: each run goes into folder/seed-N, the summary beside them.
        count: of runs.
        resume: keep finished runs and continue those that were begun; a larger count adds runs.
        trackers: the names of those that record each training.
        force: overwrite runs that are in the folders.

    Returns:
        The runs, and their summary.

    Raises:
        RunError: the folder holds a run, or runs already and `resume` is not set. Nothing has been trained then. And
            everything else that `train` raises.
    """
    folders = {seed: folder / f"seed-{seed}" for seed in range(recipe.seed, recipe.seed + count)}
    # Before any is trained, so that none of several processes finds what another has just begun.
    begun = {seed for seed, path in folders.items() if not is_free(path)}
    if is_run(folder):
        raise RunError(f"{folder} holds a run already.", "choose another --name or --output")
    if begun and not (resume or force):
        raise RunError(
            f"{folders[min(begun)]} holds a run already.",
            "continue them with --resume, overwrite them with --force, or choose another --name or --output",
        )
    runs = [
        train(
            dataclasses.replace(recipe, seed=seed),
            path,
            resume=resume and seed in begun,
            trackers=trackers,
            force=force,
        )
        for seed, path in folders.items()
    ]
    summary = summarise(runs)
    if distributed.here().is_leader:
        files.write_json(folder / SUMMARY, dataclasses.asdict(summary))
    return runs, summary


def summarise(runs: list[Run]) -> Repeats:
    """Summarise at least two runs of one recipe."""
    tops = [run.validation_top1_percent for run in runs]
    mean, low, high = mean_interval(tops)
    return Repeats(
        recipe=runs[0].recipe.name,
        seeds=tuple(run.recipe.seed for run in runs),
        top1_percents=tuple(tops),
        mean_percent=mean,
        deviation_pp=statistics.stdev(tops),
        low_percent=max(0.0, low),
        high_percent=min(100.0, high),
        validation_n=runs[0].validation_n,
        train_seconds=sum(run.train_seconds for run in runs),
    )
