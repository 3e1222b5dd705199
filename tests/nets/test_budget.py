from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn import nets
from edgecnn.errors import PlanError
from edgecnn.nets import anatomy, budget
from edgecnn.records import plans
from edgecnn.records.recipe import BudgetPlan, DataPlan, NetPlan, Recipe

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32)]


@given(st.sampled_from(["mlp", "vit"]), st.sampled_from(SHAPES), st.integers(5_000, 500_000), st.integers(2, 100))
@settings(deadline=None, max_examples=15)
def test_baselines_reach_any_budget_of_parameters(
    name: str, shape: tuple[int, int, int], target: Any, classes: int
) -> None:
    plan = budget.solve(NetPlan(name=name), shape, classes, target, "params")
    net = nets.build(plan, shape, classes)
    assert abs(anatomy.folded_parameters(net) - target) <= 0.05 * target


@pytest.mark.parametrize("name", ["mlp", "vit"])
@pytest.mark.parametrize("shape", SHAPES)
def test_baselines_cost_the_macs_of_a_depthwise_net(name: str, shape: tuple[int, int, int]) -> None:
    target = budget.cost(NetPlan(name="dscnn"), shape, 10, "macs")
    plan = budget.solve(NetPlan(name=name), shape, 10, target, "macs")
    assert abs(anatomy.macs(nets.build(plan, shape, 10), shape) - target) <= 0.05 * target


def test_other_options_stay_as_they_were() -> None:
    plan = budget.solve(NetPlan(name="vit", options={"depth": 2, "patch": 7}), (1, 28, 28), 10, 40_000)
    assert plan.options["depth"] == 2
    assert plan.options["patch"] == 7


def test_proportions_are_kept() -> None:
    plan = budget.solve(NetPlan(name="mlp", options={"hidden": 100, "last": 25}), (1, 28, 28), 10, 300_000)
    assert plan.options["hidden"] / plan.options["last"] == pytest.approx(4, rel=0.2)


def test_the_same_question_has_the_same_answer_and_draws_nothing() -> None:
    state = torch.get_rng_state()
    first = budget.solve(NetPlan(name="vit"), (3, 32, 32), 10, 77_706)
    assert budget.solve(NetPlan(name="vit"), (3, 32, 32), 10, 77_706) == first
    assert torch.equal(state, torch.get_rng_state())


def test_a_budget_out_of_reach_is_answered_with_the_nearest() -> None:
    smallest = NetPlan(name="mlp", options={"hidden": 1, "last": 1})
    cost = budget.cost(smallest, (3, 32, 32), 10, "params")
    with pytest.raises(PlanError, match="does not come within 5 % of 100 parameters") as error:
        budget.solve(NetPlan(name="mlp"), (3, 32, 32), 10, 100)
    assert f"nearest: {cost:,} with hidden = 1, last = 1" in error.value.hint


def test_a_gap_between_two_widths_is_not_papered_over() -> None:
    costs = [budget.cost(NetPlan(name="resnet", options={"width": w}), (3, 32, 32), 10, "params") for w in (2, 3)]
    with pytest.raises(PlanError, match="does not come within 5 %"):
        budget.solve(NetPlan(name="resnet"), (3, 32, 32), 10, sum(costs) // 2)


@given(start=st.integers(1, 400), target=st.integers(1, 100_000), steep=st.integers(1, 30), power=st.integers(1, 3))
def test_the_search_finds_the_largest_size_that_fits(start: int, target: Any, steep: float, power: float) -> None:
    def price(size: int) -> Any:
        return steep * size**power + 7

    largest = budget._largest(price, target, start)
    assert price(largest + 1) > target
    assert largest == 0 or price(largest) <= target


def test_a_wrong_plan_is_named_as_such() -> None:
    with pytest.raises(PlanError, match="patch = 5 does not divide"):
        budget.solve(NetPlan(name="vit", options={"patch": 5}), (1, 28, 28), 10, 50_000)


def test_a_recipe_is_resolved_to_concrete_numbers() -> None:
    recipe = plans.load(Recipe, "vit-digits")
    resolved = budget.resolve(recipe, (1, 8, 8), 10)
    assert resolved.budget is None
    model = plans.load(Recipe, recipe.budget.like)
    target = budget.cost(model.net, (1, 8, 8), 10, "params")
    assert abs(budget.cost(resolved.net, (1, 8, 8), 10, "params") - target) <= 0.05 * target
    assert budget.resolve(resolved, (1, 8, 8), 10) is resolved


def test_a_resolved_recipe_survives_its_file(tmp_path: Path) -> None:
    resolved = budget.resolve(plans.load(Recipe, "mlp-digits"), (1, 8, 8), 10)
    path = tmp_path / "mlp-digits.toml"
    path.write_text(plans.dump(resolved))
    assert plans.load(Recipe, str(path)) == resolved


def test_scaling_to_a_scaled_net_is_refused() -> None:
    recipe = Recipe(
        name="x", data=DataPlan(name="digits"), net=NetPlan(name="mlp"), budget=BudgetPlan(like="vit-digits")
    )
    with pytest.raises(PlanError, match="is itself scaled") as error:
        budget.resolve(recipe, (1, 8, 8), 10)
    assert error.value.hint == "name 'dscnn-digits'"
