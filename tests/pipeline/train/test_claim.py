"""A run folder is one training's, and free again if nothing was learnt in it."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgecnn.common import locks
from edgecnn.errors import GateFailed, RunError
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import TRAINING_LOCK, Run, is_free, open_run

SHORT = ("epochs=2", "num_threads=1", "precision=fp32", "net.width=8", "net.depth=1")
HOPELESS = ("optim.name=sgd", "optim.lr=1e30")


def recipe(*overrides: str) -> Recipe:
    return plans.load_recipe("dscnn-digits", (*SHORT, *overrides))


def edgecnn(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edgecnn", *words], capture_output=True, encoding="utf-8", check=False)


@pytest.fixture(scope="module")
def hopeless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that a training leaves whose loss became nan in its first epoch."""
    folder = tmp_path_factory.mktemp("hopeless") / "run"
    with pytest.raises(GateFailed, match="in epoch 1"):
        train(recipe(*HOPELESS), folder)
    return folder


@pytest.fixture
def claimed(hopeless: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(hopeless, tmp_path / "run"))


def test_after_a_nan_in_the_first_epoch_the_name_can_be_trained_anew(claimed: Path, tmp_path: Path) -> None:
    fresh = train(recipe(), tmp_path / "fresh")
    again = train(recipe(), claimed)
    assert again.recipe == recipe()
    assert again.weights.read_bytes() == fresh.weights.read_bytes()


def test_an_interrupt_in_the_first_epoch_leaves_the_name_free(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    endless = [
        "-s",
        "epochs=1",
        "-s",
        "num_threads=1",
        "-s",
        "precision=fp32",
        "-s",
        "net.width=256",
        "-s",
        "net.depth=9",
    ]
    words = ["train", "dscnn-digits", *endless, "--output", str(tmp_path), "--name", "run"]
    with subprocess.Popen([sys.executable, "-m", "edgecnn", *words], stderr=subprocess.PIPE) as process:
        while not (folder / "environment.json").exists():
            assert process.poll() is None
            time.sleep(0.01)
        with pytest.raises(RunError, match="Another training is at work in"):
            train(recipe(), folder)
        with pytest.raises(RunError, match="Another training is at work in"):
            train(plans.load_recipe(str(folder / "recipe.toml")), folder, resume=True)
        process.send_signal(signal.SIGINT)
    assert is_free(folder)
    assert train(recipe(), folder).recipe == recipe()


def test_what_a_killed_training_was_writing_is_nothing_to_lose(claimed: Path) -> None:
    for name in (".checkpoint.pt.x1y2z3.pt", ".metrics.csv.a.csv", ".recipe.toml.b.toml"):
        (claimed / name).write_bytes(b"half")
    assert is_free(claimed)
    train(recipe(), claimed)


@pytest.mark.parametrize(
    "name",
    ["checkpoint.pt", "metrics.csv", "model.safetensors", "run.json", "artifacts", "bench", "notes.txt", ".hidden"],
)
def test_a_folder_with_anything_else_in_it_is_kept(name: str, claimed: Path) -> None:
    (claimed / name).mkdir() if "." not in name else (claimed / name).write_bytes(b"kept")
    before = (claimed / "recipe.toml").read_bytes()
    with pytest.raises(RunError, match="holds a run already"):
        train(recipe(), claimed)
    assert (claimed / "recipe.toml").read_bytes() == before
    assert (claimed / name).exists()


def test_what_another_training_has_learnt_meanwhile_is_kept(claimed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgecnn import data

    load = data.load

    def slowly(plan: object) -> object:
        (claimed / "checkpoint.pt").write_bytes(b"another's")
        return load(plan)  # type: ignore[arg-type]

    monkeypatch.setattr(data, "load", slowly)
    with pytest.raises(RunError, match="holds a run already"):
        train(recipe(), claimed)
    assert (claimed / "checkpoint.pt").read_bytes() == b"another's"


def test_a_training_that_is_at_work_is_not_robbed(claimed: Path) -> None:
    with locks.held(claimed / TRAINING_LOCK, "training"), pytest.raises(RunError, match="Another training is at work"):
        train(recipe(), claimed)
    assert plans.load(Recipe, str(claimed / "recipe.toml")) == recipe(*HOPELESS)
    train(recipe(), claimed)


def test_a_resume_with_another_recipe_where_nothing_was_learnt_says_so(claimed: Path) -> None:
    with pytest.raises(RunError, match="another recipe: optim differ") as caught:
        train(recipe(), claimed, resume=True)
    assert caught.value.hint == "nothing has been learnt there yet: train without --resume"


def test_repeats_take_a_seed_that_learnt_nothing_anew(tmp_path: Path) -> None:
    words = ["train", "dscnn-digits", *(word for setting in SHORT for word in ("-s", setting)), "--repeats", "2"]
    words += ["--output", str(tmp_path), "--name", "many"]
    assert (
        edgecnn(*words, *(word for setting in HOPELESS for word in ("-s", setting))).returncode == GateFailed.exit_code
    )
    done = edgecnn(*words)
    assert done.returncode == 0, done.stderr
    assert open_run(tmp_path / "many/seed-1").recipe.optim == recipe().optim


def test_more_epochs_of_a_finished_run_are_a_start_and_the_hint_is_the_command(tmp_path: Path) -> None:
    run = train(recipe(), tmp_path / "a run")
    refused = edgecnn("train", str(run.folder), "--resume", "--epochs", "3")
    assert refused.returncode == RunError.exit_code
    assert "another recipe: epochs differ" in refused.stderr
    command = re.search(r"`edgecnn (.*)` goes on from its weights", refused.stderr)
    assert command, refused.stderr
    done = edgecnn(*shlex.split(command[1]))
    assert done.returncode == 0, done.stderr
    after = open_run(tmp_path / "a run-3")
    assert (after.recipe.epochs, after.recipe.start) == (3, str(run.folder))
    assert open_run(run.folder) == run


def test_more_epochs_of_an_unfinished_run_say_what_comes_first(digits_run: Run, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(plans.dump(digits_run.recipe), encoding="utf-8")
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(RunError, match="epochs differ") as caught:
        train(plans.load_recipe(str(tmp_path / "recipe.toml"), ["epochs=9"]), tmp_path, resume=True)
    assert "resume it with its own recipe" in (caught.value.hint or "")
    assert "once it is finished, `edgecnn train" in (caught.value.hint or "")


def test_a_training_that_diverged_after_some_epochs_leaves_the_name_free_too(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(GateFailed, match="became"):
        train(
            recipe("epochs=400", "optim.name=sgd", "optim.lr=1000", "optim.warmup=0.99", "data.fraction=0.05"), folder
        )
    assert (folder / "metrics.csv").is_file()  # epochs were finished
    assert is_free(folder)
    train(recipe(), folder)
    assert open_run(folder).recipe == recipe()
    assert not (folder / "diverged.txt").exists()
    assert not is_free(folder)
