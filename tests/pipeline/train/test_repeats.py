"""`train --repeats`: one recipe, several seeds, and what they have in common."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_runs import QUICK
from typer.testing import CliRunner

from edgecnn import cli
from edgecnn.errors import RunError
from edgecnn.pipeline.train import repeats
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import open_run

SHORT = (*QUICK, "epochs=1")


@pytest.fixture
def recipe() -> Recipe:
    return plans.load_recipe("dscnn-digits", SHORT)


def test_every_seed_is_a_run_of_its_own_and_the_summary_is_theirs(recipe: Recipe, tmp_path: Path) -> None:
    runs, summary = repeats.repeat(recipe, tmp_path / "r", 3)
    assert [run.folder.name for run in runs] == ["seed-0", "seed-1", "seed-2"]
    assert len({run.weights.read_bytes() for run in runs}) == 3
    tops = [open_run(run.folder).validation_top1_percent for run in runs]
    assert summary.top1_percents == tuple(tops)
    assert summary.mean_percent == pytest.approx(sum(tops) / 3)
    assert summary.low_percent <= summary.mean_percent <= summary.high_percent
    variance = sum((top - summary.mean_percent) ** 2 for top in tops) / 2
    assert summary.deviation_pp == pytest.approx(variance**0.5)
    written = json.loads((tmp_path / "r" / repeats.SUMMARY).read_text())
    assert written["seeds"] == [0, 1, 2]
    assert written["validation_n"] == runs[0].validation_n


def test_repeats_are_added_to_those_that_are_there(recipe: Recipe, tmp_path: Path) -> None:
    first, _ = repeats.repeat(recipe, tmp_path / "r", 2)
    before = [run.weights.stat().st_mtime_ns for run in first]
    with pytest.raises(RunError, match="seed-0 holds a run already"):
        repeats.repeat(recipe, tmp_path / "r", 3)
    more, summary = repeats.repeat(recipe, tmp_path / "r", 3, resume=True)
    assert [run.weights.stat().st_mtime_ns for run in more[:2]] == before
    assert summary.seeds == (0, 1, 2)
    other = plans.load_recipe("dscnn-digits", (*SHORT, "optim.lr=0.02"))
    with pytest.raises(RunError, match="of another recipe: optim differ"):
        repeats.repeat(other, tmp_path / "r", 3, resume=True)


def test_the_command_says_mean_deviation_interval_and_n(tmp_path: Path) -> None:
    words = ["train", "dscnn-digits", "-o", str(tmp_path), "--repeats", "2"]
    words += [word for setting in SHORT for word in ("-s", setting)]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0, done.output
    assert "n 2 seeds" in done.stdout
    assert "sd " in done.stdout
    assert (tmp_path / "dscnn-digits" / "seed-1" / "run.json").is_file()
