"""Models of the zoo by name: in every place where a run is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkout import ROOT

import edgecnn
from edgecnn.checks.inspect import Anatomy
from edgecnn.errors import UsageError
from edgecnn.records import resolve, zoo

FOLDER = ROOT / "models" / "zoo" / "fashion-10k"


def test_all_models_of_the_checkout_have_names() -> None:
    assert zoo.names() == tuple(sorted(path.parent.name for path in (ROOT / "models" / "zoo").glob("*/run.json")))


def test_a_run_is_opened_by_its_name() -> None:
    assert edgecnn.open_run("zoo:fashion-10k").folder == FOLDER


def test_a_name_is_a_target_of_every_verb() -> None:
    assert resolve.paths(["zoo:fashion-10k", "mine.onnx"]) == [FOLDER, Path("mine.onnx")]


def test_a_name_stands_for_its_recipe() -> None:
    recipe = edgecnn.load_recipe("zoo:fashion-10k", epochs=2)
    assert (recipe.name, recipe.epochs) == ("fashion-10k", 2)


def test_a_training_from_a_name_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    folder, recipe = resolve.find_training("zoo:fashion-10k", output=tmp_path)
    assert folder == tmp_path / recipe.name


def test_a_net_is_inspected_by_its_name() -> None:
    anatomy = edgecnn.inspect("zoo:fashion-10k")
    assert isinstance(anatomy, Anatomy)
    assert anatomy.input_shape == (1, 28, 28)


@pytest.mark.parametrize("name", ["zoo:", "zoo:nothing", "zoo:../../etc"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UsageError, match="The zoo has no model") as caught:
        edgecnn.open_run(name)
    assert "fashion-10k" in (caught.value.hint or "")


def test_a_checkouts_folder_is_the_users_own_and_named_as_the_zoos() -> None:
    assert not zoo.is_installed(FOLDER)
    assert zoo.named(FOLDER) == "zoo:fashion-10k"


def test_any_other_folder_is_named_by_its_path(tmp_path: Path) -> None:
    for path in (tmp_path / "fashion-10k", FOLDER / "artifacts", FOLDER.parent / "nothing"):
        assert zoo.named(path) == str(path)
