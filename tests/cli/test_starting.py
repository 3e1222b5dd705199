"""A first training without a recipe: the choices for the pictures are said and kept."""

from __future__ import annotations

import json
from pathlib import Path

import in_process
import photo_folders
import pytest
from in_process import Command

import edgecnn as library
from edgecnn.errors import EXIT_USAGE, UsageError
from edgecnn.records import plans


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def edgecnn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_folder: Path) -> Command:
    """Run the command in this process, in an empty folder with pictures of hands: (exit code, stdout, stderr)."""
    photo_folders.hands(own_folder / "hands")
    return in_process.command(monkeypatch, capsys)


def test_a_training_without_a_recipe_says_what_was_chosen_and_keeps_it(edgecnn: Command) -> None:
    code, out, err = edgecnn("train", "--data", "hands", "--epochs", "1", "-s", "augment.jitter=0.1")
    assert code == 0, err
    assert out.startswith("runs/hands  validation top-1 ")
    first, second = (line for line in err.splitlines() if "is chosen" in line or "edgecnn init" in line)
    assert first == (
        "no recipe is named, so one is chosen: resnet from zoo:colour-90k, 30 x 30 coloured pictures, epochs 1, "
        "without flips"
    )
    assert second.startswith("`edgecnn init ")
    assert second.endswith("/hands` writes it to a file, with the reasons")
    kept = plans.load_recipe("runs/hands/recipe.toml")
    assert (kept.start, kept.epochs, kept.augment.flip, kept.augment.jitter) == ("zoo:colour-90k", 1, False, 0.1)


def test_it_is_the_recipe_that_init_writes(edgecnn: Command) -> None:
    assert edgecnn("init", "hands")[0] == 0
    assert edgecnn("train", "hands.toml", "--epochs", "1", "--name", "written")[0] == 0
    assert edgecnn("train", "--data", "hands", "--epochs", "1", "--name", "chosen")[0] == 0
    written, chosen = (plans.load_recipe(f"runs/{name}/recipe.toml") for name in ("written", "chosen"))
    assert written == chosen


def test_a_training_without_a_recipe_resumes(edgecnn: Command) -> None:
    assert edgecnn("train", "--data", "hands", "--epochs", "1")[0] == 0
    code, _, err = edgecnn("train", "--data", "hands", "--epochs", "1", "--resume")
    assert code == 0, err
    assert "is complete already" in err


def test_a_dry_run_says_what_was_chosen_and_what_was_asked_for(edgecnn: Command) -> None:
    code, out, err = edgecnn("train", "--data", "hands", "--size", "16", "--epochs", "1", "--dry-run", "--json")
    assert code == 0, err
    sources = {key: entry["from"] for key, entry in json.loads(out)["recipe"].items()}
    assert sources["data.size"] == "--size"
    assert sources["net.name"] == "chosen"
    assert not Path("runs").exists()


def test_run_chooses_one_too(edgecnn: Command) -> None:
    code, out, err = edgecnn("run", "--data", "hands", "--epochs", "1")
    assert code in (0, 1), err  # after one epoch a gate may fail
    assert "so one is chosen: resnet" in err
    assert "int8.tflite" in out
    assert Path("runs/hands/artifacts").is_dir()


@pytest.mark.parametrize("verb", ["train", "run"])
def test_without_recipe_and_pictures_both_ways_are_named(verb: str, edgecnn: Command) -> None:
    code, _, err = edgecnn(verb)
    assert code == EXIT_USAGE
    assert err.splitlines() == [
        "error: Neither a recipe nor pictures are named.",
        "hint: name a recipe (`edgecnn list recipes`), or pictures: --data FOLDER, for which one is chosen",
    ]


def test_pictures_where_a_recipe_should_be_are_told_so(edgecnn: Command) -> None:
    code, _, err = edgecnn("train", "hands")
    assert code == EXIT_USAGE
    assert err.splitlines() == [
        "error: hands is a folder and no recipe.",
        "hint: --data hands learns from the pictures in it",
    ]


def test_a_data_set_with_a_name_needs_a_recipe(edgecnn: Command) -> None:
    code, _, err = edgecnn("train", "--data", "digits")
    assert code == EXIT_USAGE
    assert "hint: name a recipe for it: dscnn-digits" in err


def test_the_python_verb_chooses_one_too(edgecnn: Command) -> None:
    run = library.train(data="hands", epochs=1)
    assert (run.folder, run.labels) == (Path("runs/hands"), ("left hand", "right hand"))
    assert run.recipe.start == "zoo:colour-90k"
    with pytest.raises(UsageError, match="Neither a recipe nor pictures"):
        library.train()
    with pytest.raises(UsageError, match="Neither a recipe nor pictures"):
        library.train(data={"fraction": 0.5})
