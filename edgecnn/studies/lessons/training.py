"""Trainings of a lesson, kept so that a lesson that was stopped can continue.

For lessons on early stopping or on how a net develops, the net after every epoch is kept as well.
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
    """Train `recipe` in runs/<recipe.name>.

    A finished run is returned as it is, an unfinished one is continued, and a run of another recipe is removed. `watch`
    is not called for a finished run, so a caller must keep what it saw beside the run.
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
        saved = plans.load(Recipe, str(folder / "recipe.toml"))
        if (folder / "run.json").is_file():
            open_run(folder)
    except (PlanError, RunError):
        return False
    return saved == recipe


def trained_and_kept(recipe: Recipe, runs: Path) -> Run:
    """Train like `trained`, and keep the weights after every epoch for `at_epoch`; epoch 0 is the initial net."""
    epochs_folder = runs / f"{recipe.name}-epochs"

    def keep(epoch: int, net: nn.Module) -> None:
        from safetensors.torch import save_file

        files.make_folder(epochs_folder)
        with files.replacing(_weights(epochs_folder, epoch)) as temporary:
            save_file({name: value.contiguous() for name, value in net.state_dict().items()}, temporary)

    run = trained(recipe, runs, keep)
    is_complete = all(_weights(epochs_folder, epoch).is_file() for epoch in range(recipe.epochs + 1))
    if not is_complete:  # killed between an epoch's checkpoint and its weights, or weights were deleted
        shutil.rmtree(run.folder)
        run = trained(recipe, runs, keep)
    return run


def at_epoch(run: Run, epoch: int) -> nn.Module:
    """Load the net as it was after an epoch of a run of `trained_and_kept`, in eval mode."""
    from safetensors.torch import load_file

    shape = (run.input_shape[0], run.input_shape[1], run.input_shape[2])
    net = nets.build(run.recipe.net, shape, len(run.labels))
    net.load_state_dict(load_file(_weights(run.folder.with_name(f"{run.name}-epochs"), epoch)))
    return net.eval()


def _weights(folder: Path, epoch: int) -> Path:
    return folder / f"{epoch:03}.safetensors"
