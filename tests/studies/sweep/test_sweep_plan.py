"""sweep.toml: what can be written there, and what is said of what cannot."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import PlanError
from edgecnn.records import plans as recipes
from edgecnn.studies.sweep import plan as plans
from edgecnn.studies.sweep.plan import Dimension, SweepPlan

RECIPE = recipes.load_recipe("dscnn-digits")
SPACE = "[space]\nnet.width = {choice = [8, 16]}\n"


def load(tmp_path: Path, text: str, *changes: str) -> SweepPlan:
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    return plans.load(path, changes)


def test_keys_may_be_dotted_or_in_tables(tmp_path: Path) -> None:
    dotted = load(tmp_path, "[space]\noptim.lr = {low = 1e-3, high = 0.1, log = true}\nnet.width = {choice = [8, 16]}")
    tables = load(
        tmp_path,
        "[space.optim.lr]\nlow = 1e-3\nhigh = 0.1\nlog = true\n[space.net]\nwidth = {choice = [8, 16]}",
    )
    assert dotted == tables
    assert dotted.space["optim.lr"] == Dimension(low=1e-3, high=0.1, log=True)


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        ("[space]\nnet.widht = {choice = [8]}", "net.widht is no option of the net dscnn", "'width'"),
        ("[space]\noptim.lrr = {low = 1.0, high = 2.0}", "has an unknown key 'lrr'", "'lr'"),
        ("[space]\noptim.momentum = {low = 0.5, high = 2.0}", "momentum = 2.0 should lie in", ""),
        ("[space]\nepochs = {low = 1.5, high = 2.5}", "epochs should be of type int", ""),
        ("[space]\noptim.lr = 0.1", "optim.lr should be a choice or a range", "low = ..., high = ..."),
        ("[space]\noptim.lr = {low = 1.0, hihg = 2.0}", "has an unknown key 'hihg'", "'high'"),
        ("[space]\noptim.lr = {low = 2.0, high = 1.0}", "should be below high", ""),
        ("[space]\noptim.lr = {low = 0.0, high = 1.0, log = true}", "log needs low above 0", ""),
        ("[space]\noptim.lr = {low = 0.1}", "needs both low and high", ""),
        ("[space]\noptim.lr = {choice = [0.1, 0.1]}", "stands there twice", ""),
        ("[space]\nname = {choice = ['a', 'b']}", "decides nothing", "another key"),
        ("trials = 3", "lacks the key 'space'", ""),
        ("[space]", "names no key", ""),
        (f"trials = 0\n{SPACE}", "trials = 0 should lie between 1", ""),
        (f"objectives = ['acuracy']\n{SPACE}", "there is no 'acuracy'", "'accuracy'"),
        (f"objectives = ['macs']\n{SPACE}", "accuracy or loss among them", ""),
        (f"[sampler]\nname = 'TPE'\n{SPACE}", "name cannot be 'TPE'", "'TPESampler'"),
        (f"objectives = ['accuracy', 'macs']\n[pruner]\nname = 'MedianPruner'\n{SPACE}", "one objective only", ""),
        (f"epochs = 2\n{SPACE}epochs = {{choice = [1, 2]}}", "epochs are searched", ""),
    ],
)
def test_what_is_wrong_is_said_with_what_is_near(tmp_path: Path, text: str, sentence: str, hint: str) -> None:
    with pytest.raises(PlanError) as refused:
        plans.check(load(tmp_path, text), RECIPE)
    assert sentence in refused.value.sentence
    assert hint in (refused.value.hint or "")


def test_keys_that_need_each_other_are_tried_together(tmp_path: Path) -> None:
    plan = load(tmp_path, "[space]\nsmall.side = {choice = [0.5, 0.75]}\nsmall.share = {low = 0.2, high = 0.6}")
    plans.check(plan, RECIPE)
    recipe = plans.recipe_of(plan, RECIPE, {"small.side": 0.5, "small.share": 0.3}, "small")
    assert recipe.small is not None
    assert (recipe.small.side, recipe.small.share) == (0.5, 0.3)


def test_a_choice_may_hold_lists(tmp_path: Path) -> None:
    plan = load(tmp_path, "[space]\nnet.widths = {choice = [[8, 16], [16, 32]]}")
    kept = plans.kept(plan.space["net.widths"].choice[1])
    assert kept == "[16, 32]"
    assert plans.recipe_of(plan, RECIPE, {"net.widths": kept}, "wide").net.options["widths"] == [16, 32]


def test_how_many_trials_there_are_is_no_part_of_what_a_sweep_is(tmp_path: Path) -> None:
    assert plans.to_table(load(tmp_path, SPACE)) == plans.to_table(load(tmp_path, SPACE, "trials=40"))
    assert plans.to_table(load(tmp_path, SPACE)) != plans.to_table(load(tmp_path, SPACE, "epochs=1"))


@given(low=st.integers(-50, 50), steps=st.integers(1, 20), step=st.integers(1, 5), at=st.integers(-200, 200))
def test_a_range_with_a_step_holds_its_steps_and_nothing_else(low: int, steps: int, step: int, at: int) -> None:
    dimension = Dimension(low=low, high=low + steps * step, step=step)
    assert dimension.holds(at) == (at in range(low, low + steps * step + 1, step))


@given(bounds=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2, unique=True), at=st.floats())
def test_a_range_holds_what_lies_between_its_bounds(bounds: list[float], at: float) -> None:
    low, high = sorted(bounds)
    assert Dimension(low=low, high=high).holds(at) == (low <= at <= high and not math.isnan(at))
