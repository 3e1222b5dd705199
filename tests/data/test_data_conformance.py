"""What every data set must do, whatever it holds: the contract `edgecnn.data.DataSet`."""

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import data_samples
import numpy as np
import pytest
import torch

from edgecnn import data
from edgecnn.common import plugins
from edgecnn.errors import PlanError
from edgecnn.records.recipe import AugmentPlan, DataPlan

NAMES = plugins.names("data")


def _cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(data_samples.cifar_archive(monkeypatch))
    return {"path": str(tmp_path)}


def _fashion_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name, content in data_samples.fashion_files(monkeypatch).items():
        (tmp_path / name).write_bytes(content)
    return {"path": str(tmp_path)}


def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"path": str(data_samples.class_folders(tmp_path / "pictures"))}


def _shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"count": 300, "test": 50}


SAMPLES: dict[str, Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]] = {
    "cifar10": _cifar10,
    "fashion-mnist": _fashion_mnist,
    "folder": _folder,
    "shapes": _shapes,
}
"""Data sets that are not inside a package: make a small one, and give the options that find it."""


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def options(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return SAMPLES[name](tmp_path, monkeypatch) if name in SAMPLES else {}


def test_both_splits_are_bytes_channels_last_with_labels_in_range(name: str, options: dict[str, Any]) -> None:
    train, test = data.get(name).load(**options)
    assert train.classes == test.classes
    assert len(set(train.classes)) == len(train.classes) >= 2
    assert train.images.shape[1:] == test.images.shape[1:]
    for split in (train, test):
        assert split.load_all().dtype == np.uint8
        assert split.labels.dtype == np.int64
        count, height, width, channels = split.images.shape
        assert split.labels.shape == (count,)
        assert len(split) == count > 0
        assert min(height, width) >= 8
        assert channels in (1, 3)
        assert 0 <= split.labels.min() <= split.labels.max() < len(split.classes)


def test_a_net_can_take_the_arrays_as_they_are(name: str, options: dict[str, Any]) -> None:
    # PyTorch warns of an array that cannot be written, and here a warning is an error.
    for split in data.get(name).load(**options):
        assert torch.from_numpy(split.load_all()).dtype == torch.uint8
        assert split.load_all().flags.c_contiguous


def test_loading_twice_gives_the_same(name: str, options: dict[str, Any]) -> None:
    for first, second in zip(data.get(name).load(**options), data.get(name).load(**options), strict=True):
        assert np.array_equal(first.load_all(), second.load_all())
        assert np.array_equal(first.labels, second.labels)


def test_it_is_cut_into_three(name: str, options: dict[str, Any]) -> None:
    splits = data.load(DataPlan(name=name, validation=0.4, options=options))
    assert min(map(len, (splits.train, splits.validation, splits.test))) > 0


def test_all_options_have_defaults_and_are_explained(name: str) -> None:
    load = data.get(name).load
    for option, parameter in inspect.signature(load).parameters.items():
        assert parameter.default is not inspect.Parameter.empty
        assert f"{option}: " in (load.__doc__ or "")


def test_an_option_it_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(PlanError, match="unknown key 'colour'"):
        data.load(DataPlan(name=name, options={"colour": True}))


def test_it_forbids_augmentations_that_exist_and_says_why(name: str) -> None:
    known = {field.name for field in dataclasses.fields(AugmentPlan)}
    forbidden = data.get(name).FORBIDDEN_AUGMENTATIONS
    assert set(forbidden) <= known
    assert all(len(reason.split()) >= 3 for reason in forbidden.values())


def test_it_says_what_it_holds(name: str) -> None:
    assert data.get(name).LICENCE.strip()
    head = inspect.getdoc(plugins.load("data", name, "data set")) or ""
    assert head.splitlines()[0].endswith((".", ")."))
