"""Starting from a file of weights: all of them for the same classes, all but the last layer's for others."""

from pathlib import Path

import pytest
import torch
from data_samples import class_folders
from safetensors.torch import load_file
from torch import nn

from edgecnn.common import files
from edgecnn.errors import ModelFileError, RunError
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Run

SHORT = ("epochs=1", "num_threads=1", "precision=fp32")


def begun_with(recipe: Recipe, folder: Path) -> dict[str, torch.Tensor]:
    """Return the net's weights before its first step."""
    held: dict[str, torch.Tensor] = {}

    def watch(epoch: int, net: nn.Module) -> None:
        if epoch == 0:
            held.update({name: value.clone() for name, value in net.state_dict().items()})

    train(recipe, folder, watch=watch)
    return held


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_the_net_begins_with_the_weights_of_the_file(digits_run: Run, tmp_path: Path, suffix: str) -> None:
    weights, path = load_file(digits_run.weights), tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save(weights, path)
    else:
        path.write_bytes(digits_run.weights.read_bytes())
    recipe = plans.load_recipe(str(digits_run.folder / "recipe.toml"), (*SHORT, f"start={str(path)!r}"))
    held = begun_with(recipe, tmp_path / "run")
    assert all(torch.equal(held[name], value) for name, value in weights.items())


def test_for_other_classes_the_last_layer_stays_as_it_was_drawn(digits_run: Run, tmp_path: Path) -> None:
    weights = load_file(digits_run.weights)
    birds = class_folders(tmp_path / "birds", ("hen", "owl"), count=10)
    told = (*SHORT, f"start={str(digits_run.weights)!r}", "data.size=8", "data.channels=1", "batch_size=4")
    held = begun_with(plans.load_recipe(str(digits_run.folder / "recipe.toml"), told, str(birds)), tmp_path / "run")
    kept = {
        name for name, value in weights.items() if held[name].shape == value.shape and torch.equal(held[name], value)
    }
    assert set(weights) - kept == {"head.linear.weight", "head.linear.bias"}


def test_a_training_is_not_resumed_once_the_file_is_another(digits_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(load_file(digits_run.weights), path)
    told = ("epochs=2", *SHORT[1:], f"start={str(path)!r}")
    recipe = plans.load_recipe(str(digits_run.folder / "recipe.toml"), told)

    class Killed(BaseException):
        pass

    def kill(epoch: int, net: nn.Module) -> None:
        if epoch == 1:
            raise Killed

    with pytest.raises(Killed):
        train(recipe, tmp_path / "run", watch=kill)
    torch.save({name: 2 * value for name, value in load_file(digits_run.weights).items()}, path)
    with pytest.raises(RunError, match="weights to start from have changed"):
        train(recipe, tmp_path / "run", resume=True)
    torch.save(load_file(digits_run.weights), path)
    assert train(recipe, tmp_path / "run", resume=True).start_sha256 == files.sha256(path)


def test_the_weights_of_another_net_are_refused_before_anything_is_written(digits_run: Run, tmp_path: Path) -> None:
    told = (*SHORT, f"start={str(digits_run.weights)!r}", "net.stages=1")
    with pytest.raises(ModelFileError, match="does not hold the weights of this net"):
        train(plans.load_recipe(str(digits_run.folder / "recipe.toml"), told), tmp_path / "run")
    assert not (tmp_path / "run").exists()
