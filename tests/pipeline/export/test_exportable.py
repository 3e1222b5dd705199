"""Calibration pictures, the observed graph, and the exact int8 input."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pytest
import small_runs
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.data import Split, Splits
from edgecnn.errors import DataError, RunError
from edgecnn.pipeline.export import calibration, exportable, scheme
from edgecnn.records.plans import ExportPlan

SHAPE = (1, 8, 8)


def with_duplicates(places: list[int]) -> Splits:
    """Splits whose test split holds the training pictures at `places`."""
    plain = small_runs.splits(SHAPE)
    images = np.concatenate([plain.test.load_all(), plain.train.load_all()[places]])
    labels = np.concatenate([plain.test.labels, plain.train.labels[places]])
    return dataclasses.replace(plain, test=Split(images, labels, plain.test.classes))


@given(samples=st.integers(1, 80), seed=st.integers(0, 2**32 - 1), places=st.sets(st.integers(0, 63), max_size=40))
@settings(max_examples=40, deadline=None)
def test_a_calibration_is_distinct_training_pictures_apart_from_test(samples: int, seed: int, places: set[int]) -> None:
    splits = with_duplicates(sorted(places))
    drawn = calibration.draw(splits, samples, seed)
    in_test = {image.tobytes() for image in splits.test.load_all()}
    assert len(drawn.indices) == min(samples, 64 - len(places)) == len(set(drawn.indices.tolist()))
    assert all(image.tobytes() not in in_test for image in drawn.images)
    assert np.array_equal(drawn.images, splits.train.images[drawn.indices])
    assert drawn.passed_over == len(places)


def test_classes_take_turns() -> None:
    drawn = calibration.draw(small_runs.splits(SHAPE), 10, seed=0)
    labels = small_runs.splits(SHAPE).train.labels[drawn.indices]
    assert sorted(np.bincount(labels)) == [2, 2, 3, 3]


def test_the_seed_decides_the_pictures() -> None:
    splits = small_runs.splits(SHAPE)
    once, again, other = (calibration.draw(splits, 16, seed).indices.tolist() for seed in (1, 1, 2))
    assert once == again != other


def test_indices_are_those_of_the_whole_training_set() -> None:
    splits = dataclasses.replace(small_runs.splits(SHAPE), train_indices=np.arange(1000, 1064))
    assert calibration.draw(splits, 5, seed=0).indices.min() >= 1000


def test_the_manifest_lets_anyone_check_each_picture() -> None:
    splits = with_duplicates([3, 5])
    manifest = calibration.draw(splits, 16, seed=7).manifest()
    assert (manifest["split"], manifest["count"], manifest["seed"]) == ("train", 16, 7)
    assert manifest["passed_over_because_in_test"] == 2
    for index, digest in zip(manifest["indices"], manifest["sha256"], strict=True):
        assert hashlib.sha256(splits.train.images[index].tobytes()).hexdigest() == digest


def test_given_pictures_that_are_in_test_are_refused_by_count_and_name() -> None:
    splits = with_duplicates([3, 5])
    with pytest.raises(DataError, match=r"2 of 3 calibration pictures are in the test split too.*picture 3"):
        calibration.on_pictures(splits, np.array([3, 4, 5]), seed=0)
    assert len(calibration.on_pictures(splits, np.array([4, 6]), seed=0).images) == 2


def test_a_training_set_that_is_all_test_cannot_calibrate() -> None:
    with pytest.raises(DataError, match="none is left to calibrate with"):
        calibration.draw(with_duplicates(list(range(64))), 8, seed=0)


def test_the_int8_input_is_the_pixel_less_128_for_every_pixel_value() -> None:
    model = small_runs.exportable("dscnn")
    graph = model.int8_module(fold_weights=True).graph
    (picture,) = graph.find_nodes(op="placeholder")
    coder = next(user for user in picture.users if "quantize_per_tensor" in str(user.target))
    _, scale, zero_point, low, high, _ = coder.args
    every = torch.arange(256, dtype=torch.float32)
    real = (every - model.run.mean) / model.run.std
    stored = torch.clamp(torch.round(real / scale) + zero_point, low, high)
    assert torch.equal(stored, every - 128)


def test_ranges_are_observed_on_calibration_pictures_alone() -> None:
    model = small_runs.exportable("dscnn")
    plain = scheme.plain(model.run, small_runs.splits(SHAPE), ExportPlan(name="test"), model.net)
    black = dataclasses.replace(plain.calibration, images=np.zeros_like(plain.calibration.images[:1]))
    dark = scheme.observe(dataclasses.replace(plain, calibration=black))
    assert ranges(scheme.observe(plain)) == ranges(model.observed) != ranges(dark)


def ranges(graph: object) -> list[tuple[float, float]]:
    assert isinstance(graph, torch.nn.Module)
    observers = [module for _, module in sorted(graph.named_modules()) if type(module).__name__ == "MinMaxObserver"]
    return [(float(observer.min_val), float(observer.max_val)) for observer in observers]


def test_a_plan_without_int8_observes_nothing() -> None:
    model = small_runs.exportable("mlp")
    plan = ExportPlan(name="float", precision=("fp32",))
    prepared = exportable.prepare(model.run, small_runs.splits(small_runs.SHAPES["mlp"]), plan)
    assert prepared.observed is None
    assert prepared.calibration is None


def test_a_mean_that_is_no_pixel_value_is_refused() -> None:
    model = small_runs.exportable("mlp")
    odd = dataclasses.replace(model.run, mean=120.5)
    with pytest.raises(RunError, match=r"mean 120\.5 of mlp is not a pixel value"):
        exportable.prepare(odd, small_runs.splits(small_runs.SHAPES["mlp"]), ExportPlan(name="test"))
