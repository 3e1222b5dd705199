"""Training from a run's weights: all of them, or all but the logits' layer, and never on pictures held out now."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from data_samples import class_folders
from safetensors.torch import load_file
from torch import nn
from typer.testing import CliRunner

from edgecnn.cli import app
from edgecnn.errors import ModelFileError, RunError
from edgecnn.pipeline.train import seen
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Run, open_run

SHORT = ("epochs=1", "num_threads=1", "precision=fp32")
Weights = dict[str, torch.Tensor]


def again(run: Run, *overrides: str, data: Path | None = None) -> Recipe:
    """The run's own recipe, for one epoch from its weights."""
    told = (*SHORT, f"start={str(run.folder)!r}", *overrides)
    return plans.load_recipe(str(run.folder / "recipe.toml"), told, str(data) if data else None)


def first_weights(recipe: Recipe, folder: Path) -> Weights:
    """Return the net's weights before its first step."""
    held: Weights = {}

    def watch(epoch: int, net: nn.Module) -> None:
        if epoch == 0:
            held.update({name: value.clone() for name, value in net.state_dict().items()})

    train(recipe, folder, watch=watch)
    return held


def alike(first: Weights, second: Weights) -> set[str]:
    return {name for name in first if torch.equal(first[name], second[name])}


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of two classes, ten each."""
    return class_folders(tmp_path_factory.mktemp("data") / "animals", count=10)


@pytest.fixture(scope="module")
def animals_run(animals: Path) -> Run:
    overrides = (*SHORT, "data.size=12", "net.width=8", "net.depth=1", "batch_size=4")
    return train(plans.load_recipe("dscnn-digits", overrides, str(animals)), animals.parent / "runs" / "animals")


def test_the_net_begins_with_the_runs_weights(digits_run: Run, tmp_path: Path) -> None:
    learnt = load_file(digits_run.weights)
    assert alike(first_weights(again(digits_run), tmp_path / "run"), learnt) == set(learnt)


def test_what_was_learnt_is_still_there_after_one_small_step_more(digits_run: Run, tmp_path: Path) -> None:
    run = train(again(digits_run, "optim.lr=1e-6", "optim.ema=0"), tmp_path / "run")
    assert run.validation_top1_percent == pytest.approx(digits_run.validation_top1_percent, abs=2)


def test_for_other_classes_all_but_the_layer_of_the_logits_is_taken(animals_run: Run, tmp_path: Path) -> None:
    learnt = load_file(animals_run.weights)
    for name, classes in (("as many", ("hen", "owl")), ("more", ("hen", "owl", "wren"))):
        birds = class_folders(tmp_path / name, classes, count=10, seed=9000)
        begun = first_weights(again(animals_run, data=birds), tmp_path / f"{name} run")
        assert set(learnt) - alike(learnt, begun) == {"head.linear.weight", "head.linear.bias"}
        assert len(begun["head.linear.bias"]) == len(classes)


def test_another_net_is_refused_before_anything_is_written(digits_run: Run, tmp_path: Path) -> None:
    for change in ("net.width=12", "net.stages=1"):
        with pytest.raises(ModelFileError, match="does not hold the weights of this net"):
            train(again(digits_run, change), tmp_path / "run")
    with pytest.raises(RunError, match="no run folder"):
        train(again(digits_run, "start='/nowhere'"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_learnt_the_pictures_held_out_now_is_refused(animals_run: Run, tmp_path: Path) -> None:
    for cut in ("data.seed=1", "data.validation=0.3", "data.test=0.4"):
        with pytest.raises(RunError, match=r"has seen [1-9]"):
            train(again(animals_run, cut), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_so_is_one_that_began_with_the_weights_of_such_a_run(animals_run: Run, tmp_path: Path) -> None:
    birds = class_folders(tmp_path / "birds", ("hen", "owl"), count=10, seed=9000)
    between = train(again(animals_run, data=birds), tmp_path / "between")
    with pytest.raises(RunError, match=r"which it starts from, has seen [1-9]"):
        train(again(between, "data.seed=1", data=Path(animals_run.recipe.data.options["path"])), tmp_path / "run")


def test_a_run_that_names_itself_as_its_start_is_read_once(animals_run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(animals_run.folder, own)
    table = (own / "recipe.toml").read_text().replace('start = ""', f'start = "{own}"')
    (own / "recipe.toml").write_text(table)
    assert open_run(own).recipe.start == str(own)
    train(again(open_run(own)), tmp_path / "run")


def test_a_smaller_share_of_the_same_training_pictures_is_not(animals_run: Run, tmp_path: Path) -> None:
    train(again(animals_run, "data.fraction=0.5"), tmp_path / "run")


def test_where_the_runs_pictures_are_gone_it_is_said_that_nobody_can_tell(
    animals_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "animals run"
    shutil.copytree(animals_run.folder, alone)
    (alone / seen.FILE).unlink()  # as before there was a record
    text = (alone / "recipe.toml").read_text()
    (alone / "recipe.toml").write_text(text.replace("/animals", "/gone"))
    birds = class_folders(tmp_path / "birds", ("hen", "owl"), count=10, seed=9000)
    told = (*SHORT, f"start={str(alone)!r}")
    train(plans.load_recipe(str(animals_run.folder / "recipe.toml"), told, str(birds)), tmp_path / "run")
    assert "cannot be told" in capsys.readouterr().err


def test_the_command_says_where_it_starts(animals_run: Run, tmp_path: Path) -> None:
    recipe = str(animals_run.folder / "recipe.toml")
    words = ["train", recipe, "-s", f"start={str(animals_run.folder)!r}", "-s", "epochs=1", "-o", str(tmp_path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert f"from the weights of {animals_run.folder}" in " ".join(result.output.split())
