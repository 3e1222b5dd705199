"""Trainings of a lesson: recipes in, finished runs out, kept so that a stopped lesson goes on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.common import console
from edgecnn.errors import PlanError, RunError
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Run, is_free, open_run

if TYPE_CHECKING:
    from edgecnn.pipeline.train.loop import Watch


def trained(recipe: Recipe, runs: Path, watch: Watch | None = None) -> Run:
    """The run of `recipe`, its budget spent, in runs/<recipe.name>.

    A finished run is taken as it is and a begun one continued; what is there of another recipe makes room. A finished
    run shows `watch` nothing: whoever passes one keeps beside the run what it saw.
    """
    from edgecnn.pipeline.train.train import train

    folder = runs / recipe.name
    if folder.exists() and not _is_of(recipe, folder):
        console.note(f"{folder} is of another recipe and is trained anew")
        shutil.rmtree(folder)
    if (folder / "run.json").is_file():
        return open_run(folder)
    console.note(f"training {recipe.name}")
    return train(recipe, folder, resume=not is_free(folder), watch=watch)


def _is_of(recipe: Recipe, folder: Path) -> bool:
    try:
        written = plans.load(Recipe, str(folder / "recipe.toml"))
        if (folder / "run.json").is_file():
            open_run(folder)
    except (PlanError, RunError):
        return False
    return written == recipe
