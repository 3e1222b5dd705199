"""Smaller pictures in the first steps: which steps see them, which nets can, and what a training makes of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from edgecnn.errors import PlanError
from edgecnn.pipeline.train import progressive_resizing
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.recipe import NetPlan, SmallPlan


def test_the_first_steps_see_small_pictures_and_the_others_see_them_whole() -> None:
    inputs = torch.randn(2, 3, 8, 12)
    sizes = [
        progressive_resizing.resize_for_step(SmallPlan(side=0.5, share=0.3), inputs, step, 10).shape[2:]
        for step in range(10)
    ]
    assert sizes == [(4, 6)] * 3 + [(8, 12)] * 7
    assert progressive_resizing.resize_for_step(None, inputs, 0, 10) is inputs
    assert progressive_resizing.resize_for_step(SmallPlan(side=0.5, share=0.0), inputs, 0, 10) is inputs


def test_a_picture_of_half_the_side_holds_the_mean_of_every_four_pixels() -> None:
    inputs = torch.randn(2, 3, 8, 12)
    small = progressive_resizing.resize_for_step(SmallPlan(side=0.5), inputs, 0, 10)
    torch.testing.assert_close(small, nn.functional.avg_pool2d(inputs, 2))


@pytest.mark.parametrize(("net", "fits"), [("dscnn", True), ("resnet", True), ("mlp", False), ("vit", False)])
def test_a_net_for_one_size_of_picture_alone_is_refused_before_anything_is_written(
    net: str, fits: bool, tmp_path: Path
) -> None:
    recipe = plans.load_recipe(
        "dscnn-digits", ["epochs=1", "small.side=0.75", "num_threads=1", "precision=fp32", "data.fraction=0.2"]
    )
    recipe = dataclasses.replace(recipe, net=NetPlan(name=net), budget=None)
    if fits:
        assert train(recipe, tmp_path / "run").validation_n > 0
        return
    with pytest.raises(PlanError, match="takes pictures of one size alone"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_net_sees_both_sizes_while_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    resize_for_step = progressive_resizing.resize_for_step

    def watched(plan: SmallPlan | None, inputs: torch.Tensor, step: int, steps: int) -> torch.Tensor:
        shown = resize_for_step(plan, inputs, step, steps)
        seen.append(shown.shape[2])
        return shown

    monkeypatch.setattr(progressive_resizing, "resize_for_step", watched)
    train(
        plans.load_recipe("dscnn-digits", ["epochs=2", "small.side=0.75", "num_threads=1", "precision=fp32"]),
        tmp_path / "run",
    )
    half = len(seen) // 2
    assert set(seen[:half]) == {6}
    assert set(seen[half:]) == {8}
