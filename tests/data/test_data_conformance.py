"""The contract of a data set, whatever it holds: `edgecnn.data.DataSet`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import coco_folders
import data_samples
import kept_pictures
import made_sounds
import pytest

from edgecnn.common import plugins
from edgecnn.testing import data_sets

NAMES = plugins.own_names("edgecnn.data")


def _cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(data_samples.cifar_archive(monkeypatch))
    return {"path": str(tmp_path)}


def _fashion_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name, content in data_samples.fashion_files(monkeypatch).items():
        (tmp_path / name).write_bytes(content)
    return {"path": str(tmp_path)}


def _kept(way: str) -> Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]:
    return lambda tmp_path, _: {"path": str(kept_pictures.WAYS[way](tmp_path / "pictures", kept_pictures.files(5)))}


def _shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"count": 300, "test": 50}


def _coco(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    coco_folders.write(tmp_path / "coco", "train2017", 3 * coco_folders.BOXES)
    coco_folders.write(tmp_path / "coco", "val2017", coco_folders.BOXES, seed=1_000)
    return {"path": str(tmp_path / "coco"), "size": 16}


def _speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"path": str(made_sounds.folder(tmp_path / "sounds", 8)), "copies": 1, **made_sounds.FRONT_END}


SAMPLES: dict[str, Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]] = {
    "cifar10": _cifar10,
    "coco": _coco,
    "fashion-mnist": _fashion_mnist,
    "shapes": _shapes,
    "speech": _speech,
    **{way: _kept(way) for way in kept_pictures.WAYS},
}
"""Data sets that are not inside a package: make a small one, and give the options that find it."""


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def options(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return SAMPLES[name](tmp_path, monkeypatch) if name in SAMPLES else {}


@pytest.mark.parametrize("check", data_sets.CHECKS, ids=lambda check: check.__name__)
def test_every_data_set_keeps_its_contract(
    name: str, options: dict[str, Any], check: Callable[[str, dict[str, Any]], None]
) -> None:
    check(name, options)
