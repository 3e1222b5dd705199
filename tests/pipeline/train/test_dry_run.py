"""`edgecnn train --dry-run` checks what a training checks, tells what it would do, and writes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.errors import EXIT_UNFIT, EXIT_USAGE
from edgecnn.pipeline.train import dry_run
from edgecnn.records import origins, plans
from edgecnn.records.run import Run

SHORT = ("--epochs", "1", "-s", "net.width=8", "--num-threads", "1")


def edgecnn(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecnn", *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_it_tells_values_with_their_origins_sizes_and_the_place_and_writes_nothing(tmp_path: Path) -> None:
    done = edgecnn(tmp_path, "train", "dscnn-digits", "--dry-run", *SHORT, "--lr", "0.1")
    assert (done.returncode, done.stderr) == (0, "")
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line}
    assert rows["optim.lr"] == ["optim.lr", "0.1", "--lr"]
    assert rows["net.width"] == ["net.width", "8", "-s"]
    assert rows["batch_size"] == ["batch_size", "64", "dscnn-digits.toml"]
    assert rows["optim.ema"] == ["optim.ema", "0.0", "default"]
    assert rows["epochs"][-1] == "--epochs"
    assert "runs/dscnn-digits, which is free" in done.stdout
    assert "1,222 pictures to train on, 216 to validate, 359 to test; 10 classes, 8 x 8 x 1" in done.stdout
    assert not list(tmp_path.iterdir())


def test_what_it_tells_is_what_the_training_then_is(tmp_path: Path) -> None:
    told = json.loads(edgecnn(tmp_path, "train", "dscnn-digits", "--dry-run", "--json", *SHORT).stdout)
    run = json.loads(edgecnn(tmp_path, "train", "dscnn-digits", "--json", *SHORT).stdout)
    assert (told["params"], told["macs"]) == (run["params"], run["macs"])
    assert (told["validation_n"], told["training"]) == (run["validation_n"], run["training"])
    recipe = plans.load_recipe(str(tmp_path / told["folder"] / "recipe.toml"))
    assert {key: entry["value"] for key, entry in told["recipe"].items()} == dry_run.values(recipe)


def test_what_stops_a_training_stops_it_too(tmp_path: Path, digits_run: Run) -> None:
    occupied = ("train", "dscnn-digits", "-o", digits_run.folder.parent, "--name", digits_run.folder.name, "--dry-run")
    done = edgecnn(tmp_path, *occupied)
    assert (done.returncode, "holds a run already" in done.stderr) == (EXIT_USAGE, True)
    assert "and replace the run there" in edgecnn(tmp_path, *occupied, "--force").stdout
    (tmp_path / "taken").touch()
    done = edgecnn(tmp_path, "train", "dscnn-digits", "-o", "taken/runs", "--dry-run")
    assert (done.returncode, "taken is no folder" in done.stderr) == (EXIT_UNFIT, True)
    for words in (("--resume",), ("--repeats", "2")):
        assert edgecnn(tmp_path, "train", "dscnn-digits", "--dry-run", *words).returncode == EXIT_USAGE
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_budget_is_told_to_be_where_the_nets_numbers_come_from(tmp_path: Path) -> None:
    recipe = plans.load_recipe("dscnn-digits", ["net.name=mlp", "net={name='mlp'}", "budget.like=dscnn-digits"])
    dry = dry_run.dry_run(recipe, tmp_path / "run", origins.origins("dscnn-digits", recipe, [], {}))
    assert "[budget]" in dry.origins.values()


def pictures(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    for name in "ab":
        (folder / name).mkdir(parents=True)
        for index in range(8):
            Image.fromarray(draw.integers(0, 256, (20, 30, 3), np.uint8)).save(folder / name / f"{index}.png")
    return folder


def test_size_is_height_by_width_of_ones_own_pictures(tmp_path: Path) -> None:
    pictures(tmp_path / "photos")
    words = ("train", "dscnn-digits", "--data", "photos", "--dry-run")
    assert "2 classes, 12 x 16 x 3" in edgecnn(tmp_path, *words, "--size", "12x16").stdout
    done = edgecnn(tmp_path, *words, "-s", "data.width=40", "--size", "16")
    assert "2 classes, 16 x 16 x 3" in done.stdout
    rows = {line.split()[0]: line.split()[-1] for line in done.stdout.splitlines() if line}
    assert [rows[key] for key in ("data.name", "data.path", "data.size", "data.width")] == [
        "--data", "--data", "--size", "--size",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "size", "sentence"),
    [
        ("digits", "16", "The pictures of digits have a size of their own"),
        ("shapes", "32x48", "The pictures of shapes are square, not 32 x 48"),
        ("shapes", "big", "'big' is not a picture's size"),
    ],
)
def test_a_size_that_a_data_set_does_not_have_is_refused(tmp_path: Path, data: str, size: str, sentence: str) -> None:
    for verb in ("train", "run"):
        done = edgecnn(tmp_path, verb, "dscnn-digits", "--data", data, "--size", size)
        assert (done.returncode, sentence in done.stderr) == (EXIT_USAGE, True)
