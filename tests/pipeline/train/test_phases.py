"""learn = "head-then-all": the last layer first and then all of them, in one run that a kill does not change."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from data_samples import class_folders
from safetensors.torch import load_file
from torch import Tensor, nn

from edgecnn.errors import PlanError
from edgecnn.pipeline.train import phases
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Run

SHORT = ("epochs=2", "head_epochs=2", "num_threads=1", "precision=fp32", "batch_size=4", "learn=head-then-all")
OF_HEAD = {"head.linear.weight", "head.linear.bias"}


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data") / "birds", ("hen", "owl", "wren"), count=12)


def both(start: Run, pictures: Path, *overrides: str) -> Recipe:
    told = (*SHORT, f"start={str(start.folder)!r}", "data.size=8", "data.channels=1", *overrides)
    return plans.load_recipe(str(start.folder / "recipe.toml"), told, str(pictures))


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def whole(
    digits_run: Run, birds: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, list[dict[str, Tensor]]]:
    """A run, and its weights before the first epoch and after each."""
    seen: list[dict[str, Tensor]] = []

    def watch(epoch: int, net: nn.Module) -> None:
        seen.append({name: value.clone() for name, value in net.state_dict().items()})

    return train(both(digits_run, birds), tmp_path_factory.mktemp("runs") / "whole", watch=watch), seen


def test_the_body_moves_only_once_the_head_has_learnt(whole: tuple[Run, list[dict[str, Tensor]]]) -> None:
    run, (begun, first, second, third, _) = whole
    for later in (first, second):
        assert {name for name in begun if not torch.equal(begun[name], later[name])} == OF_HEAD
    assert not torch.equal(second["stem.conv.weight"], third["stem.conv.weight"])
    rows = list(csv.DictReader((run.folder / "metrics.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_kill_in_either_phase_changes_nothing(
    whole: tuple[Run, list[dict[str, Tensor]]], digits_run: Run, birds: Path, tmp_path: Path, epoch: int
) -> None:
    def kill(done: int, net: nn.Module) -> None:
        if done == epoch:
            raise Killed

    with pytest.raises(Killed):
        train(both(digits_run, birds), tmp_path / "killed", watch=kill)
    resumed = train(both(digits_run, birds), tmp_path / "killed", resume=True)
    assert resumed.weights.read_bytes() == whole[0].weights.read_bytes()


def test_the_second_phase_goes_on_from_the_first_at_its_own_rates(
    whole: tuple[Run, list[dict[str, Tensor]]], digits_run: Run, birds: Path, tmp_path: Path
) -> None:
    slow = both(digits_run, birds, "optim.body_lr=1e-6", "optim.name=sgd", "optim.ema=0", "optim.weight_decay=0")
    after, before = load_file(train(slow, tmp_path / "run").weights), load_file(digits_run.weights)
    moved = (after["stem.conv.weight"] - before["stem.conv.weight"]).abs().max()
    assert 0 < moved < 1e-4


@pytest.mark.parametrize("learn", ["head", "head-then-all"])
def test_the_head_alone_learns_at_the_whole_rate(digits_run: Run, birds: Path, tmp_path: Path, learn: str) -> None:
    heads: list[Tensor] = []

    def watch(epoch: int, net: nn.Module) -> None:
        if epoch == 1:
            heads.append(net.get_submodule("head.linear").state_dict()["weight"].clone())

    for rate in ("1.0", "0.01"):
        told = (f"optim.body_lr={rate}", f"learn={learn}", "epochs=1", "head_epochs=1", "augment.shift=0")
        train(both(digits_run, birds, *told), tmp_path / rate, watch=watch)
    assert torch.equal(*heads)


def test_only_the_head_is_kept_from_what_a_head_cannot_do(digits_run: Run, birds: Path) -> None:
    head, rest = phases.phases_of(both(digits_run, birds, "augment.shift=1", "augment.flip=true", "head_epochs=3"))
    assert head.recipe.augment.used() == ("flip",)
    assert set(rest.recipe.augment.used()) == {"flip", "shift"}
    assert (head.before, head.end, rest.before, rest.end) == (0, 3, 3, 5)


def test_random_parts_of_pictures_are_for_the_second_phase(digits_run: Run, birds: Path, tmp_path: Path) -> None:
    parts = both(digits_run, birds, "data.larger=1.5", "augment.resized_crop=0.5", "epochs=1", "head_epochs=1")
    whole = both(digits_run, birds, "epochs=1", "head_epochs=1")
    heads: list[Tensor] = []

    def watch(epoch: int, net: nn.Module) -> None:
        if epoch == 1:
            heads.append(net.get_submodule("head.linear").state_dict()["weight"].clone())

    first, second = (train(plan, tmp_path / name, watch=watch) for plan, name in ((parts, "parts"), (whole, "whole")))
    assert torch.equal(*heads)
    assert first.weights_sha256 != second.weights_sha256


@pytest.mark.parametrize(("change", "reason"), [("start=''", "needs weights"), ("head_epochs=0", "at least 1")])
def test_what_makes_no_two_phases_is_refused(digits_run: Run, birds: Path, change: str, reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        both(digits_run, birds, change)
