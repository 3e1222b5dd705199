"""`edgecnn train --repeats N`: one recipe with N seeds, and what chance alone does to its accuracy."""

from __future__ import annotations

import dataclasses
import statistics
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
    """Validation top-1 of n runs that differ in their seed alone."""

    recipe: str
    seeds: tuple[int, ...]
    top1_percents: tuple[float, ...]
    mean_percent: float
    deviation_pp: float
    """Standard deviation over the seeds (n - 1)."""
    low_percent: float
    high_percent: float
    """95 % of the mean, by Student's t."""
    validation_n: int
    train_seconds: float
    """Of all of them."""

    def __str__(self) -> str:
        return (
            f"validation top-1 {self.mean_percent:.2f} % [{self.low_percent:.2f}, {self.high_percent:.2f}] "
            f"(sd {self.deviation_pp:.2f} pp, n {len(self.seeds)} seeds, {self.validation_n:,} pictures each)"
        )


def repeat(recipe: Recipe, folder: Path, count: int, resume: bool = False) -> tuple[list[Run], Repeats]:
    """Train `recipe` with its seed and the next ones, each into folder/seed-N, and write their summary beside them.

    With `resume` a run that is finished is taken as it is and one that was begun goes on, so that repeats which were
    ended continue, and more can be added. The validation pictures stay the same. Raises what `train` raises, before
    anything is trained if the folder holds runs already and `resume` is not set.
    """
    folders = {seed: folder / f"seed-{seed}" for seed in range(recipe.seed, recipe.seed + count)}
    # Looked at before any is trained: of several processes none may find what another has just begun.
    begun = {seed for seed, one in folders.items() if not is_free(one)}
    if is_run(folder):
        raise RunError(f"{folder} holds a run already.", "choose another --name or --output")
    if begun and not resume:
        raise RunError(
            f"{folders[min(begun)]} holds a run already.",
            "continue them with --resume, or choose another --name or --output",
        )
    runs = [train(dataclasses.replace(recipe, seed=seed), one, resume=seed in begun) for seed, one in folders.items()]
    found = summarise(runs)
    if distributed.here().is_leader:
        files.write_json(folder / SUMMARY, dataclasses.asdict(found))
    return runs, found


def summarise(runs: list[Run]) -> Repeats:
    """What at least two runs of one recipe have in common."""
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
