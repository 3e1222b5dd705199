"""Trainings of a lesson: recipes in, finished runs out, kept so that a stopped lesson goes on.

A lesson that watches a net grow, or stops it early, also has the net as it was after every epoch.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import nets
from edgecnn.common import console, files
from edgecnn.errors import PlanError, RunError
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Run, is_free, open_run

if TYPE_CHECKING:
    from torch import nn

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


def trained_and_kept(recipe: Recipe, runs: Path) -> Run:
    """As `trained`, with the weights after every epoch kept beside the run for `at_epoch`; 0 is the fresh net."""
    kept = runs / f"{recipe.name}-epochs"

    def keep(epoch: int, net: nn.Module) -> None:
        from safetensors.torch import save_file

        files.make_folder(kept)
        with files.replacing(_weights(kept, epoch)) as temporary:
            save_file({name: value.contiguous() for name, value in net.state_dict().items()}, temporary)

    run = trained(recipe, runs, keep)
    complete = all(_weights(kept, epoch).is_file() for epoch in range(recipe.epochs + 1))
    if not complete:  # a kill fell between an epoch's checkpoint and its weights here, or somebody tidied up
        shutil.rmtree(run.folder)
        run = trained(recipe, runs, keep)
    return run


def at_epoch(run: Run, epoch: int) -> nn.Module:
    """The net as it was after that epoch of a run of `trained_and_kept`, in eval mode."""
    from safetensors.torch import load_file

    shape = (run.input_shape[0], run.input_shape[1], run.input_shape[2])
    net = nets.build(run.recipe.net, shape, len(run.labels))
    net.load_state_dict(load_file(_weights(run.folder.with_name(f"{run.name}-epochs"), epoch)))
    return net.eval()


def _weights(folder: Path, epoch: int) -> Path:
    return folder / f"{epoch:03}.safetensors"
