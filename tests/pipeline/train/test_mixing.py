"""Mixing: labels follow the pixels, share for share."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import PlanError
from edgecnn.pipeline.train.augment import mix
from edgecnn.records.plans import load_recipe
from edgecnn.records.recipe import AugmentPlan

CLASSES = 8


def batch(n: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Picture i is i everywhere and of class i, so its pixels tell whose they are."""
    inputs = torch.arange(n).float().reshape(n, 1, 1, 1).expand(n, 3, height, width).clone()
    return inputs, torch.eye(CLASSES)[:n]


kinds = st.one_of(
    st.builds(AugmentPlan, mixup=st.floats(0.05, 4)),
    st.builds(AugmentPlan, cutmix=st.floats(0.05, 4)),
)


@given(kinds, st.integers(0, 2**31), st.integers(1, CLASSES), st.integers(1, 9), st.integers(1, 9))
def test_a_label_has_the_share_that_its_pixels_have(
    plan: AugmentPlan, seed: int, n: int, height: int, width: int
) -> None:
    inputs, targets = batch(n, height, width)
    mixed, labels = mix(inputs.clone(), targets, plan, torch.Generator().manual_seed(seed))
    assert mixed.shape == inputs.shape
    torch.testing.assert_close(labels.sum(1), torch.ones(n))
    # The mean of picture i's pixels is the mean of the numbers of the pictures in it, as the labels weigh them.
    torch.testing.assert_close(mixed.mean((1, 2, 3)), labels[:, :n] @ torch.arange(n).float(), atol=1e-4, rtol=1e-4)
    again = mix(inputs.clone(), targets, plan, torch.Generator().manual_seed(seed))
    assert torch.equal(again[0], mixed)
    assert torch.equal(again[1], labels)


def test_cutmix_blends_no_pixel() -> None:
    inputs, targets = batch(8, 9, 9)
    mixed, _ = mix(inputs, targets, AugmentPlan(cutmix=1.0), torch.Generator().manual_seed(3))
    assert torch.equal(mixed, mixed.round())


def test_shares_are_drawn_from_beta_of_alpha() -> None:
    generator = torch.Generator().manual_seed(0)
    alpha = 0.4
    shares = []
    for _ in range(2000):
        inputs, targets = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1), torch.eye(2)
        mixed, _ = mix(inputs, targets, AugmentPlan(mixup=alpha), generator)
        shares.append(float(mixed[1]))
    # A pair that is its own partner shows 1: half of the permutations of two pictures.
    moved = torch.tensor([share for share in shares if share != 1.0])
    assert abs(moved.mean() - 0.5) < 0.05
    assert abs(moved.var() - 1 / (4 * (2 * alpha + 1))) < 0.02


def test_without_mixing_a_batch_stays_as_it_is() -> None:
    inputs, targets = batch(4, 5, 5)
    mixed, labels = mix(inputs, targets, AugmentPlan(), torch.Generator())
    assert mixed is inputs
    assert labels is targets


@pytest.mark.parametrize("setting", ["augment.mixup=-1", "augment.alternate=true"])
def test_what_contradicts_itself_is_refused(setting: str) -> None:
    with pytest.raises(PlanError):
        load_recipe("dscnn-digits", [setting])


def test_one_recipe_does_not_mix_twice() -> None:
    with pytest.raises(PlanError, match="only one of them"):
        load_recipe("dscnn-digits", ["augment.mixup=0.2", "augment.cutmix=1.0"])
