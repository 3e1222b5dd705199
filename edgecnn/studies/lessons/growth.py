"""The net as it was after every epoch, for lessons that watch it grow or stop it early."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import nets
from edgecnn.common import files
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Run
from edgecnn.studies.lessons.training import trained

if TYPE_CHECKING:
    from torch import nn


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
