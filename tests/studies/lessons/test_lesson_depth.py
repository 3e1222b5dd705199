"""The lesson on depth: what its gradients are measured of."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import small_runs
import torch
import torch.nn.functional as F

from edgecnn import nets
from edgecnn.records.recipe import NetPlan
from edgecnn.records.run import Run
from edgecnn.studies.lessons.topics import depth

BATCH = small_runs.pictures(32, (3, 32, 32), 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_runs.run("resnet", tmp_path_factory.mktemp("depth") / "resnet")


def fresh(layers: int, residual: bool) -> torch.nn.Module:
    torch.manual_seed(0)
    options = {"width": 4, "depth": layers, "residual": residual}
    return nets.build(NetPlan(name="resnet", options=options), (3, 32, 32), 4)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("layers", [8, 20])
def test_there_is_one_gradient_for_every_layer_of_the_path_but_the_last(run: Run, layers: int, residual: bool) -> None:
    norms = depth.gradient_norms(fresh(layers, residual), run, BATCH)
    assert len(norms) == layers - 1  # the last is linear; shortcuts lie beside the path
    assert min(norms) > 0


def test_a_norm_is_how_fast_the_loss_changes_along_it(run: Run) -> None:
    net = fresh(8, True).double()
    inputs = (torch.from_numpy(BATCH.load_all()).double().permute(0, 3, 1, 2) - run.mean) / run.std
    labels = torch.from_numpy(BATCH.labels)
    norms = depth.gradient_norms(fresh(8, True), run, BATCH)
    stem = net.get_submodule("stem.conv").weight
    F.cross_entropy(net.train()(inputs), labels).backward()
    assert stem.grad is not None
    direction, step = stem.grad / stem.grad.norm(), 1e-6
    with torch.no_grad():
        stem += step * direction
        above = F.cross_entropy(net(inputs), labels).item()
        stem -= 2 * step * direction
        below = F.cross_entropy(net(inputs), labels).item()
    assert norms[0] == pytest.approx((above - below) / (2 * step), rel=1e-3)


def test_in_a_plain_stack_the_gradients_part_more_than_in_a_residual_one(run: Run) -> None:
    apart = {}
    for residual in (True, False):
        norms = depth.gradient_norms(fresh(56, residual), run, BATCH)
        apart[residual] = abs(math.log10(norms[0] / norms[-1]))
    assert apart[False] > apart[True] + 0.5


@pytest.mark.parametrize("quick", [True, False])
def test_the_nets_differ_in_depth_and_shortcuts_alone(quick: bool) -> None:
    recipes = [depth.recipe(residual, layers, quick, 0) for residual in depth.KINDS for layers in depth.DEPTHS]
    assert len({recipe.name for recipe in recipes}) == len(recipes)
    like = recipes[0]
    for recipe in recipes:
        options = {**like.net.options, "depth": recipe.net.options["depth"], "residual": recipe.net.options["residual"]}
        assert recipe == replace(like, name=recipe.name, net=replace(like.net, options=options))
