"""What every data set must do, whatever it holds: the contract `edgecnn.data.DataSet`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import data_samples
import kept_pictures
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


SAMPLES: dict[str, Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]] = {
    "cifar10": _cifar10,
    "fashion-mnist": _fashion_mnist,
    "shapes": _shapes,
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
