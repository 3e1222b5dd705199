"""The lesson on overfitting, and the nets it keeps of every epoch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edgecnn import data, nets
from edgecnn.common import config
from edgecnn.records.recipe import DataPlan, Recipe
from edgecnn.records.run import Run
from edgecnn.studies.lessons import curves, predictions, training
from edgecnn.studies.lessons.topics import overfitting


def short(seed: int = 0) -> Recipe:
    plain = overfitting.recipe(overfitting.NOTHING, True, seed)
    return replace(plain, epochs=3, data=DataPlan(name="digits", fraction=0.2))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return training.trained_and_kept(short(), tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("quick", [True, False])
def test_a_remedy_changes_one_thing(quick: bool) -> None:
    plain = config.table_of(overfitting.recipe(overfitting.NOTHING, quick, 1))
    changed = {
        remedy: {
            key
            for key, value in config.table_of(overfitting.recipe(remedy, quick, 1)).items()
            if key != "name" and value != plain[key]
        }
        for remedy in overfitting.REMEDIES
    }
    assert changed == {
        "more data": {"data", "epochs"},  # as many steps
        "augmentation": {"augment"},
        "weight decay": {"optim"},
        "dropout": {"net"},
        "smaller net": {"net"},
    }


@pytest.mark.parametrize("quick", [True, False])
def test_more_data_is_more_of_the_same_in_as_many_steps(quick: bool) -> None:
    plain, more = (overfitting.recipe(name, quick, 0) for name in (overfitting.NOTHING, "more data"))
    assert more.data.fraction * more.epochs == pytest.approx(plain.data.fraction * plain.epochs)
    assert more.data.fraction > plain.data.fraction


def test_validation_turns_where_its_loss_is_lowest(run: Run) -> None:
    losses = curves.curve(run, "validation_loss")
    assert len(losses) == run.recipe.epochs
    assert losses[overfitting.turning_epoch(run) - 1] == min(losses)


def test_mean_curves_are_means(run: Run) -> None:
    values = curves.curve(run, "train_loss")
    assert curves.mean([run, run], "train_loss") == pytest.approx(values)


def test_the_net_of_the_last_epoch_is_the_one_that_was_kept(run: Run) -> None:
    last, kept = training.at_epoch(run, run.recipe.epochs).state_dict(), nets.restore(run).state_dict()
    assert all(torch.equal(last[name], value) for name, value in kept.items())
    test = data.load(run.recipe.data).test
    assert (overfitting.hits_at(run, run.recipe.epochs, test) == predictions.hits(run)).all()


def test_the_net_of_epoch_0_knows_nothing_and_later_ones_differ(run: Run) -> None:
    test = data.load(run.recipe.data).test
    assert overfitting.hits_at(run, 0, test).mean() < 0.35
    names = [name for name, _ in nets.restore(run).named_parameters()]
    for epoch in range(run.recipe.epochs):
        before, after = (training.at_epoch(run, number).state_dict() for number in (epoch, epoch + 1))
        assert any(not torch.equal(before[name], after[name]) for name in names)


def test_a_finished_run_is_not_trained_again_but_for_a_missing_epoch(tmp_path: Path) -> None:
    recipe = short(seed=1)
    first = training.trained_and_kept(recipe, tmp_path)
    weights, written = first.weights.read_bytes(), first.weights.stat().st_mtime_ns
    assert training.trained_and_kept(recipe, tmp_path).weights.stat().st_mtime_ns == written

    (tmp_path / f"{recipe.name}-epochs" / "002.safetensors").unlink()
    again = training.trained_and_kept(recipe, tmp_path)
    assert again.weights.stat().st_mtime_ns != written
    assert again.weights.read_bytes() == weights
    assert training.at_epoch(again, 2) is not None
