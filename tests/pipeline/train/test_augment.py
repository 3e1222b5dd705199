"""Augmentation: every picture on its own, by the generator alone, and only as announced."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import PlanError
from edgecnn.pipeline.train.augment import augment, check
from edgecnn.records.recipe import AugmentPlan

FILL = 90.0


def pictures(n: int = 6, height: int = 7, width: int = 5, channels: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, height, width, channels), dtype=torch.uint8, generator=generator)


def augmented(x: torch.Tensor, seed: int = 1, **plan: object) -> torch.Tensor:
    return augment(x, AugmentPlan(**plan), FILL, torch.Generator().manual_seed(seed))  # type: ignore[arg-type]


plans = st.builds(
    AugmentPlan,
    flip=st.booleans(),
    shift=st.integers(0, 9),
    cutout=st.integers(0, 9),
    jitter=st.floats(0, 0.9),
    rotation=st.floats(0, 180),
)


@given(plans, st.integers(0, 2**31), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]))
def test_shape_range_and_draws_hold_for_every_plan(
    plan: AugmentPlan, seed: int, n: int, height: int, width: int, channels: int
) -> None:
    x = pictures(n, height, width, channels)
    before = x.clone()
    y = augment(x, plan, FILL, torch.Generator().manual_seed(seed))
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    assert y.min() >= 0
    assert y.max() <= 255
    assert torch.equal(x, before)
    assert torch.equal(y, augment(x, plan, FILL, torch.Generator().manual_seed(seed)))


def test_without_augmentation_pictures_stay_as_they_are() -> None:
    assert torch.equal(augmented(pictures()), pictures().float())


def test_a_flip_leaves_a_picture_or_mirrors_it_left_and_right() -> None:
    x = pictures(200)
    y = augmented(x, flip=True)
    same = (y == x.float()).flatten(1).all(1)
    mirrored = (y == x.float().flip(2)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 60 < mirrored.sum() < 140


@given(st.integers(1, 3), st.integers(0, 1000))
def test_a_shift_moves_the_whole_picture_and_mirrors_it_at_the_border(shift: int, seed: int) -> None:
    x = pictures(3)
    padded = torch.nn.functional.pad(x.float().permute(0, 3, 1, 2), (shift,) * 4, mode="reflect").permute(0, 2, 3, 1)
    y = augmented(x, seed, shift=shift)
    for n in range(3):
        windows = [
            padded[n, top : top + 7, left : left + 5] for top in range(2 * shift + 1) for left in range(2 * shift + 1)
        ]
        assert any(torch.equal(y[n], window) for window in windows)


@given(st.integers(1, 7), st.integers(0, 1000))
def test_a_cutout_fills_one_square_and_nothing_else(side: int, seed: int) -> None:
    x = pictures(4)
    y = augmented(x, seed, cutout=side)
    changed = (y != x.float()).any(3)  # (N, H, W)
    assert (y[changed] == FILL).all()
    for picture in changed:
        rows, columns = picture.any(1).nonzero(), picture.any(0).nonzero()
        if len(rows):
            assert rows.max() - rows.min() < side
            assert columns.max() - columns.min() < side


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 1000))
def test_masks_fill_one_band_of_rows_and_one_of_columns_and_nothing_else(rows: int, columns: int, seed: int) -> None:
    x = pictures(4)
    changed = (augmented(x, seed, mask_rows=rows, mask_columns=columns) != x.float()).any(3)  # (N, H, W)
    whole_rows, whole_columns = changed.all(2), changed.all(1)  # (N, H), (N, W)
    assert torch.equal(changed, whole_rows[:, :, None] | whole_columns[:, None, :])
    for bands, most in ((whole_rows, rows), (whole_columns, columns)):
        for band in bands[~changed.all((1, 2))]:
            assert band.sum() <= most
            assert (band.int().diff() != 0).sum() <= 2  # one band


def test_a_turn_moves_what_a_picture_shows_about_its_centre_by_no_more_than_announced() -> None:
    n, height, width, most = 400, 31, 41, 30.0
    x = torch.zeros(n, height, width, 1, dtype=torch.uint8)
    x[:, 14:17, 30:33] = 255  # a dot eleven pixels to the right of the centre
    y = augmented(x, rotation=most)[..., 0]
    mass = y.sum((1, 2))
    across = (y.sum(1) * (torch.arange(width) - width // 2)).sum(1) / mass
    down = (y.sum(2) * (torch.arange(height) - height // 2)).sum(1) / mass
    degrees = torch.rad2deg(torch.atan2(down, across))
    torch.testing.assert_close(torch.hypot(across, down), torch.full((n,), 11.0), atol=0.15, rtol=0)
    assert degrees.abs().max() < most + 1
    assert degrees.min() < -0.9 * most
    assert degrees.max() > 0.9 * most
    assert abs(degrees.mean()) < 3


def test_what_a_turn_brings_in_repeats_the_border() -> None:
    grey = torch.full((5, 9, 7, 3), 77, dtype=torch.uint8)
    torch.testing.assert_close(augmented(grey, rotation=180), grey.float())


def test_jitter_scales_contrast_around_the_fill_value() -> None:
    grey = torch.full((50, 2, 2, 1), int(FILL), dtype=torch.uint8)
    offsets = (augmented(grey, jitter=0.1) - FILL).flatten(1)
    assert offsets.abs().max() <= 25.5 + 1e-3  # brightness alone moves a picture of the fill value
    assert offsets.std() > 1


def test_pictures_are_changed_independently() -> None:
    x = pictures(1).expand(64, -1, -1, -1).contiguous()
    y = augmented(x, flip=True, shift=2, cutout=2, jitter=0.1)
    assert len({bytes(picture.numpy()) for picture in y}) > 60


def test_every_augmentation_can_be_forbidden_and_the_reason_is_told() -> None:
    on = {
        "flip": True, "shift": 1, "rotation": 9.0, "cutout": 1, "jitter": 0.1, "mixup": 0.2, "cutmix": 1.0,
        "resized_crop": 0.5, "saturation": 0.5, "hue": 9.0, "trivial": True, "erasing": 0.5,
        "mask_rows": 2, "mask_columns": 2,
    }  # fmt: skip
    assert {*on, "alternate"} == {field.name for field in dataclasses.fields(AugmentPlan)}
    for name, value in on.items():
        plan = AugmentPlan(**{name: value})  # type: ignore[arg-type]
        check(plan, {}, "digits")
        with pytest.raises(PlanError, match=f"'{name}' does not fit 'digits': because"):
            check(plan, {name: "because"}, "digits")


def test_a_flip_that_is_given_mirrors_just_those_pictures() -> None:
    x = pictures(4)
    mirrored = torch.tensor([True, False, True, False])
    y = augment(x, AugmentPlan(flip=True), FILL, torch.Generator(), mirrored)
    assert torch.equal(y[mirrored], x[mirrored].float().flip(2))
    assert torch.equal(y[~mirrored], x[~mirrored].float())
