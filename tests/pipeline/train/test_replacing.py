"""`train(force=True)`: the old run stays until the new one is finished, and nothing but a run is ever overwritten."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgecnn.common import locks
from edgecnn.errors import EdgecnnError, GateFailed, RunError
from edgecnn.pipeline.train import repeats, replacing
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import EXPORT_LOCK, Run, is_free, is_run, open_run

SHORT = ("epochs=2", "num_threads=1", "precision=fp32", "net.width=8", "net.depth=1")


def recipe(*overrides: str) -> Recipe:
    return plans.load_recipe("dscnn-digits", (*SHORT, *overrides))


@pytest.fixture
def old(digits_run: Run, tmp_path: Path) -> Path:
    """A finished run that has been exported and measured."""
    folder = Path(shutil.copytree(digits_run.folder, tmp_path / "run"))
    for name in ("artifacts", "bench", "evaluation", "parity", "tracking"):
        (folder / name).mkdir(exist_ok=True)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_new_run_takes_the_place_of_the_old_one(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fresh = train(recipe(), old.with_name("fresh"))
    again = train(recipe(), old, force=True)
    assert again.weights.read_bytes() == fresh.weights.read_bytes()
    assert sorted(path.name for path in old.iterdir()) == sorted(path.name for path in fresh.folder.iterdir())
    assert sorted(path.name for path in old.parent.iterdir()) == ["fresh", "run"]
    assert f"kept as {replacing.aside(old)} until" in capsys.readouterr().err


def test_without_a_run_there_it_is_a_training_as_any(tmp_path: Path) -> None:
    assert train(recipe("epochs=1"), tmp_path / "run", force=True).folder == tmp_path / "run"


@pytest.mark.parametrize("change", ["data.path=nowhere", "augment.flip=true", "net.width=0"])
def test_what_is_found_wrong_before_the_first_step_leaves_the_old_run_where_it_is(old: Path, change: str) -> None:
    before = contents(old)
    with pytest.raises(EdgecnnError):
        train(recipe(change), old, force=True)
    assert contents(old) == before
    assert [path.name for path in old.parent.iterdir()] == ["run"]


def test_a_new_run_that_learns_nothing_gives_the_place_back(old: Path) -> None:
    before = contents(old)
    with pytest.raises(GateFailed):
        train(recipe("optim.name=sgd", "optim.lr=1e30"), old, force=True)
    assert contents(old) == before
    assert [path.name for path in old.parent.iterdir()] == ["run"]


def test_an_interrupted_new_run_keeps_the_old_one_until_a_resume_has_finished_it(old: Path) -> None:
    before = contents(old)

    def stop(epoch: int, _: object) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    for _ in range(2):  # a second --force drops what the first one has begun, and not the finished run
        with pytest.raises(KeyboardInterrupt):
            train(recipe(), old, watch=stop, force=True)
        assert not is_free(old)
        assert contents(replacing.aside(old)) == before
    train(recipe(), old, resume=True)
    assert open_run(old).recipe.epochs == 2
    assert not is_run(replacing.aside(old))


def test_a_run_that_a_kill_left_aside_comes_back_too(old: Path) -> None:
    before = contents(old)
    old.rename(replacing.aside(old))  # as a kill right after the move leaves it
    with pytest.raises(GateFailed):
        train(recipe("optim.name=sgd", "optim.lr=1e30"), old, force=True)
    assert contents(old) == before


def test_a_folder_that_holds_anything_else_is_never_overwritten(old: Path) -> None:
    (old / "notes.txt").write_text("mine")
    before = contents(old)
    with pytest.raises(RunError, match=r"holds notes\.txt, which is no part of a run"):
        train(recipe(), old, force=True)
    assert contents(old) == before
    link = old.with_name("link")
    link.symlink_to(old)
    with pytest.raises(RunError, match="is a link"):
        train(recipe(), link, force=True)


def test_a_run_that_somebody_works_with_is_not_moved(old: Path) -> None:
    before = contents(old)
    with (
        locks.held(old / EXPORT_LOCK, "export"),
        pytest.raises(RunError, match="export is at work"),
    ):
        train(recipe(), old, force=True)
    assert contents(old) == before


def test_repeats_are_overwritten_each(tmp_path: Path) -> None:
    short = recipe("epochs=1")
    repeats.repeat(short, tmp_path / "many", 2)
    with pytest.raises(RunError, match="holds a run already"):
        repeats.repeat(short, tmp_path / "many", 2)
    runs, _ = repeats.repeat(recipe("epochs=1", "optim.lr=0.01"), tmp_path / "many", 2, force=True)
    assert {run.recipe.optim.lr for run in runs} == {0.01}
