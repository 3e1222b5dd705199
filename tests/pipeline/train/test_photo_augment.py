"""Augmentation for photographs: parts of them, colours, erased rectangles, TrivialAugment."""

from __future__ import annotations

import colorsys
import dataclasses
from pathlib import Path

import numpy as np
import photo_folders
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from edgecnn import data
from edgecnn.errors import PlanError
from edgecnn.pipeline.train import augment, colour_jitter, random_resized_crop, trivial_augment
from edgecnn.pipeline.train.augment import check
from edgecnn.pipeline.train.train import train
from edgecnn.records.recipe import AugmentPlan, DataPlan, NetPlan, Recipe

FILL = 90.0


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 6, height: int = 20, width: int = 24, channels: int = 3) -> torch.Tensor:
    """Smooth uint8 pictures (N, H, W, C)."""
    pictures = [photo_folders.photograph(seed, width, height, "RGB" if channels == 3 else "L") for seed in range(n)]
    return torch.from_numpy(np.stack([np.asarray(picture).reshape(height, width, channels) for picture in pictures]))


PLANS = st.builds(
    AugmentPlan,
    flip=st.booleans(),
    resized_crop=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    saturation=st.floats(0, 1),
    hue=st.floats(0, 180),
    trivial=st.booleans(),
    erasing=st.floats(0, 1),
)


@settings(deadline=None, max_examples=60)
@given(PLANS, st.integers(0, 2**31), st.integers(1, 5), st.integers(1, 12), st.integers(1, 12))
def test_shape_range_and_draws_hold_for_every_plan(
    plan: AugmentPlan, seed: int, n: int, rows: int, columns: int
) -> None:
    x = torch.randint(0, 256, (n, rows, columns, 3), dtype=torch.uint8, generator=generator(0))
    before, size = x.clone(), (max(1, rows - 2), max(1, columns - 3)) if plan.resized_crop else (rows, columns)
    y = augment.augment(x, plan, FILL, generator(seed), size=size)
    assert (y.shape, y.dtype) == ((n, *size, 3), torch.float32)
    assert y.min() >= 0
    assert y.max() <= 255
    assert torch.equal(x, before)
    assert torch.equal(y, augment.augment(x, plan, FILL, generator(seed), size=size))


def test_a_random_part_is_what_pillow_makes_of_it_and_no_smaller_than_asked() -> None:
    x = images(40, 64, 80)
    shown = random_resized_crop.crop(x, 1.0, (32, 40), generator())
    for picture, crop in zip(x, shown, strict=True):  # of the whole area, so at most the shape is cut
        theirs = Image.fromarray(picture.numpy()).resize((40, 32), Image.Resampling.BILINEAR)
        assert np.abs(np.asarray(theirs).astype(int) - crop.numpy()).mean() < 45
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 256, 1).expand(60, 256, 256, 1)
    parts = random_resized_crop.crop(ramp, 0.25, (64, 64), generator()).int()
    widths = (parts[:, 0, -1, 0] - parts[:, 0, 0, 0]).float() / 256
    assert 0.40 < widths.min() < 0.6 < widths.max() <= 1
    assert parts[:, 0, 0, 0].unique().numel() > 20  # parts begin at many places


def test_larger_images_are_not_enlarged_where_the_part_is_small() -> None:
    fine = torch.zeros(1, 40, 40, 1, dtype=torch.uint8)
    fine[:, :, ::2] = 255
    part = random_resized_crop.crop(fine.expand(8, 40, 40, 1), 1.0, (40, 40), generator())
    assert part.shape == (8, 40, 40, 1)
    assert ((part == 0) | (part == 255)).all(dim=(1, 2, 3)).any()  # the whole of it passes untouched


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(-180, 180))
def test_a_turned_hue_keeps_the_luma_and_a_grey_stays_grey(r: float, g: float, b: float, degrees: float) -> None:
    colour = torch.tensor([[r, g, b], [r, r, r]]) * 100 + 70
    turned = colour @ colour_jitter.matrices(torch.ones(1), torch.tensor([degrees]))[0]
    assert torch.allclose(turned @ colour_jitter.LUMA, colour @ colour_jitter.LUMA, atol=0.5)
    assert torch.allclose(turned[1], colour[1], atol=0.5)


def test_hue_turns_as_far_as_it_says_and_back() -> None:
    red = torch.tensor([[150.0, 100.0, 100.0]])
    turns = {
        degrees: red @ colour_jitter.matrices(torch.ones(1), torch.tensor([degrees]))[0] for degrees in (120.0, -120.0)
    }
    hues = {degrees: 360 * colorsys.rgb_to_hsv(*(turned[0] / 255).tolist())[0] for degrees, turned in turns.items()}
    assert sorted(round(hue / 120) % 3 for hue in hues.values()) == [1, 2]
    back = turns[120.0] @ colour_jitter.matrices(torch.ones(1), torch.tensor([-120.0]))[0]
    assert torch.allclose(back, red, atol=0.1)


def test_without_saturation_a_picture_is_its_luma() -> None:
    x = images(3).float()
    grey = colour_jitter.apply(x, colour_jitter.matrices(torch.zeros(3), torch.zeros(3)))
    assert torch.allclose(grey, (x @ colour_jitter.LUMA)[..., None].expand_as(x), atol=0.6)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_erasing_sets_one_rectangle_in_that_share_of_the_pictures(share: float) -> None:
    x = torch.full((300, 20, 30, 3), 7, dtype=torch.uint8)
    y = augment.augment(x, AugmentPlan(erasing=share), FILL, generator())
    erased = (y == FILL).all(3)
    touched = erased.flatten(1).any(1)
    assert abs(touched.float().mean() - share) < 0.1
    for mask in erased[touched]:
        rows, columns = mask.any(1), mask.any(0)
        assert torch.equal(mask, rows[:, None] & columns[None, :])
        assert 0.01 <= mask.float().mean() <= 0.36
        assert rows.nonzero().diff(dim=0).le(1).all()


# What Pillow, and so the authors' own code, makes of the same change.
THEIRS = {
    "identity": lambda image, strength: image,
    "brightness": lambda image, strength: ImageEnhance.Brightness(image).enhance(1 + 0.99 * strength),
    "colour": lambda image, strength: ImageEnhance.Color(image).enhance(1 + 0.99 * strength),
    "contrast": lambda image, strength: ImageEnhance.Contrast(image).enhance(1 + 0.99 * strength),
    "sharpness": lambda image, strength: ImageEnhance.Sharpness(image).enhance(1 + 0.99 * strength),
    "posterize": lambda image, strength: ImageOps.posterize(image, 8 - round(abs(strength) * 6)),
    "solarize": lambda image, strength: ImageOps.solarize(image, 255 * (1 - abs(strength))),
    "autocontrast": lambda image, strength: ImageOps.autocontrast(image),
    "equalize": lambda image, strength: ImageOps.equalize(image),
    "rotate": lambda image, strength: image.rotate(135 * strength, Image.Resampling.BILINEAR, fillcolor=(90, 90, 90)),
    "translate x": lambda image, strength: image.transform(
        image.size, Image.Transform.AFFINE, (1, 0, image.width * strength / 7, 0, 1, 0), Image.Resampling.BILINEAR,
        fillcolor=(90, 90, 90),
    ),
    "shear x": lambda image, strength: image.transform(
        image.size, Image.Transform.AFFINE, (1, 0.99 * strength, -0.99 * strength * image.height / 2, 0, 1, 0),
        Image.Resampling.BILINEAR, fillcolor=(90, 90, 90),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("strength", [-0.9, -0.4, 0.35, 1.0])
def test_a_change_is_pillows_for_every_picture_of_a_batch(name: str, strength: float) -> None:
    x = images(3, 90, 126)
    ours = trivial_augment.CHANGES[name](x.float(), torch.full((3,), strength), FILL).clamp(0, 255)
    for mine, picture in zip(ours, x, strict=True):
        theirs = torch.from_numpy(np.array(THEIRS[name](Image.fromarray(picture.numpy()), strength))).float()
        inside = (slice(2, -2), slice(2, -2))  # Pillow leaves a border as it is, or interpolates over it otherwise
        assert (mine - theirs).abs()[inside].mean() < 2.5, name


def test_all_changes_are_drawn_and_pictures_get_their_own() -> None:
    names = trivial_augment.CHANGES
    assert len(names) == 14
    x = images(1, 24, 24).expand(400, 24, 24, 3)
    y = trivial_augment.change(x.float(), FILL, generator())
    same = (y - x.float()).abs().flatten(1).amax(1) < 1
    assert 0 < same.sum() < 100  # the identity, and the weakest of the others
    assert len({tuple(image[::5, ::5].flatten().round().int().tolist()) for image in y}) > 250


@pytest.mark.parametrize(
    ("plan", "name"),
    [
        ({"trivial": True}, "shift"),
        ({"trivial": True}, "rotation"),
        ({"resized_crop": 0.5}, "shift"),
        ({"hue": 9.0}, "hue"),
    ],
)
def test_what_a_data_set_refuses_is_refused_inside_of_another_change_too(plan: dict[str, float], name: str) -> None:
    with pytest.raises(PlanError, match="arrows would point elsewhere") as caught:
        check(AugmentPlan(**plan), {name: "arrows would point elsewhere"}, "arrows")  # type: ignore[arg-type]
    assert next(iter(plan)) in caught.value.sentence


@pytest.mark.parametrize(
    "plan", [{"resized_crop": 1.1}, {"resized_crop": -0.1}, {"erasing": 2.0}, {"saturation": -1.0}, {"hue": 181.0}]
)
def test_numbers_out_of_range_are_refused(plan: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="should lie between 0 and"):
        AugmentPlan(**plan)  # type: ignore[arg-type]


# In a training


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    photo_folders.classes(tmp_path / "pictures", ("daisy", "poppy"), 8)
    return Recipe(
        name="photos",
        data=DataPlan(name="folder", options={"path": str(tmp_path / "pictures"), "size": [12, 16], "larger": 1.25}),
        net=NetPlan(name="dscnn", options={"width": 8, "stages": 1, "depth": 1}),
        augment=AugmentPlan(flip=True, resized_crop=0.4, saturation=0.4, hue=20.0, trivial=True, erasing=0.3),
        epochs=3, batch_size=8, num_threads=1, precision="fp32",
    )  # fmt: skip


def test_parts_are_taken_from_larger_pictures_and_only_to_train_with(recipe: Recipe) -> None:
    splits = data.load(recipe.data)
    assert splits.train.larger is not None
    assert splits.train.larger.shape == (len(splits.train), 15, 20, 3)
    assert splits.train.input_shape == (3, 12, 16)
    assert splits.validation.larger is splits.test.larger is None
    small = Image.fromarray(splits.train.larger[0]).resize((16, 12), Image.Resampling.BILINEAR)
    assert np.abs(np.asarray(small).astype(int) - splits.train.images[0]).mean() < 8  # the same picture


def test_a_training_that_is_killed_and_resumed_ends_with_the_same_bits(recipe: Recipe, tmp_path: Path) -> None:
    whole = train(recipe, tmp_path / "whole")

    def kill(epoch: int, net: torch.nn.Module) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "killed", watch=kill)
    assert train(recipe, tmp_path / "killed", resume=True).weights_sha256 == whole.weights_sha256


def test_larger_pictures_without_random_parts_and_colours_of_grey_ones_are_refused(
    recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(PlanError, match="resized_crop is off"):
        train(dataclasses.replace(recipe, augment=AugmentPlan(flip=True)), tmp_path / "run")
    grey = dataclasses.replace(recipe.data, options={**recipe.data.options, "channels": 1})
    with pytest.raises(PlanError, match="the pictures are grey"):
        train(dataclasses.replace(recipe, data=grey), tmp_path / "run")
    larger = dataclasses.replace(recipe.data, options={**recipe.data.options, "larger": 3.0})
    with pytest.raises(PlanError, match="larger = 3"):
        train(dataclasses.replace(recipe, data=larger), tmp_path / "run")
    assert not (tmp_path / "run").exists()
