"""A sweep: trials are runs, none is trained twice or lost, and the best is a recipe."""

from __future__ import annotations

import dataclasses
import itertools
import signal
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest
import sweeps
import waiting
from sweeps import weights

from edgecnn.common import config
from edgecnn.errors import EnvironmentUnfit, PlanError, RunError, UsageError
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import open_run
from edgecnn.studies import findings
from edgecnn.studies.findings import Sweep
from edgecnn.studies.sweep import claims, sweep, worker
from edgecnn.studies.sweep.plan import SweepPlan
from edgecnn.studies.sweep.study import SweepJob, open_study

RECIPE = plans.load_recipe("dscnn-digits", sweeps.SMALL)
EVERY = {"name": "BruteForceSampler"}
WIDTHS = {"net.width": {"choice": (4, 8)}, "optim.lr": {"low": 1e-3, "high": 0.1, "log": True}}


def plan(space: dict[str, Any] | None = None, **keys: Any) -> SweepPlan:
    table = {"space": space or WIDTHS, "trials": 4, "sampler": {"name": "RandomSampler"}, **keys}
    return config.build(SweepPlan, table, "sweep.toml")


def run(folder: Path, asked: SweepPlan, recipe: Recipe = RECIPE, **options: Any) -> Sweep:
    return sweep.run(recipe, asked, folder, "edgecnn sweep", **options)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, Path]:
    """Accuracy against MACs at five points; tests must not change its folder."""
    folder = tmp_path_factory.mktemp("sweeps") / "digits"
    return run(folder, plan(objectives=("accuracy", "macs"), trials=5)), folder


def test_trials_are_runs_of_the_recipe_at_their_points(swept: tuple[Sweep, Path]) -> None:
    result, folder = swept
    for trial in result.trials:
        trained = open_run(folder / "runs" / f"trial-{trial.number:04d}")
        assert trained.recipe.net.options["width"] == trial.point["net.width"]
        assert trained.recipe.optim.lr == trial.point["optim.lr"]
        assert trial.values == (trained.validation_top1_percent, trained.macs)
    assert (result.count("finished"), result.validation_n) == (5, 216)


def test_the_first_trial_is_the_recipe_itself(swept: tuple[Sweep, Path]) -> None:
    assert swept[0].trials[0].point == {"net.width": 4, "optim.lr": RECIPE.optim.lr}


def test_nothing_is_better_than_the_front_and_all_else_is_behind_it(swept: tuple[Sweep, Path]) -> None:
    values = {trial.number: trial.values for trial in swept[0].trials}
    dominated = {
        number
        for number, (top1, macs) in values.items()
        for other, (better, cheaper) in values.items()
        if better >= top1 and cheaper <= macs and (better, cheaper) != (top1, macs)
    }
    assert {trial.number for trial in swept[0].front} == set(values) - dominated


def test_importances_are_shares_of_each_objective(swept: tuple[Sweep, Path]) -> None:
    assert set(swept[0].importances) == {"accuracy", "macs"}
    for shares in swept[0].importances.values():
        assert sum(shares.values()) == pytest.approx(1)
    assert swept[0].importances["macs"]["net.width"] > 0.5


def test_the_best_recipe_is_one_that_trains_and_has_the_recipes_own_epochs(tmp_path: Path) -> None:
    longer = dataclasses.replace(RECIPE, epochs=7)
    result = run(tmp_path / "s", plan(epochs=1, trials=2), longer)
    best = plans.load(Recipe, str(tmp_path / "s" / sweep.BEST))
    assert best.epochs == 7
    assert best.net.options["width"] == result.trials[result.best or 0].point["net.width"]
    assert max(trial.values for trial in result.trials) == result.trials[result.best or 0].values


def test_what_is_written_is_read_back(swept: tuple[Sweep, Path]) -> None:
    assert findings.read(Sweep, swept[1] / sweep.RESULT).trials == swept[0].trials


def test_the_same_command_again_trains_nothing_and_says_the_same(swept: tuple[Sweep, Path]) -> None:
    result, folder = swept
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/run.json")}
    again = run(folder, plan(objectives=("accuracy", "macs"), trials=5))
    assert again.trials == result.trials
    assert {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/run.json")} == before


def test_the_folder_of_another_sweep_is_refused(swept: tuple[Sweep, Path]) -> None:
    with pytest.raises(RunError, match="is another sweep's"):
        run(swept[1], plan(objectives=("accuracy", "macs"), trials=5, seed=1))


def test_a_recipe_that_is_drawn_again_is_not_trained_again(tmp_path: Path) -> None:
    result = run(tmp_path / "s", plan({"augment.shift": {"choice": (0, 1)}}, trials=6))
    runs = {path.name for path in (tmp_path / "s" / "runs").iterdir()}
    assert runs == {f"trial-{trial.number:04d}" for trial in result.trials if trial.outcome == "finished"}
    assert len(runs) <= 2
    for trial in result.trials:
        if trial.outcome == "repeat":
            assert trial.values == result.trials[trial.repeats or 0].values


def test_a_trial_that_cannot_be_trained_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    result = run(tmp_path / "s", plan({"optim.lr": {"choice": (0.01, 1e30)}}, sampler=EVERY))
    failed = [trial for trial in result.trials if trial.outcome == "failed"]
    assert "loss became nan" in failed[0].why
    assert result.count("finished") == 1


def test_values_that_do_not_fit_each_other_fail_the_trial(tmp_path: Path) -> None:
    space = {"augment.mixup": {"choice": (0.0, 0.2)}, "augment.cutmix": {"choice": (0.0, 0.2)}}
    result = run(tmp_path / "s", plan(space, sampler=EVERY, trials=8))
    whys = {trial.why for trial in result.trials if trial.outcome == "failed"}
    assert len(whys) == 1
    assert "only one of them above 0" in whys.pop()
    assert result.count("finished") == 3


def test_a_worker_whose_trials_all_fail_stops(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentUnfit, match="The last 5 trials all failed"):
        run(tmp_path / "s", plan({"optim.lr": {"low": 1e30, "high": 1e31}}, trials=9))


def test_a_trial_that_does_worse_than_others_did_is_pruned_by_its_epochs(tmp_path: Path) -> None:
    pruner = {"name": "ThresholdPruner", "lower": 99.0}
    result = run(tmp_path / "s", plan({"net.width": {"choice": (4,)}}, pruner=pruner, epochs=2, trials=1))
    assert (result.trials[0].outcome, result.trials[0].epochs) == ("pruned", 1)
    assert not (tmp_path / "s" / sweep.BEST).exists()


def test_when_the_time_is_up_a_trial_waits_for_the_next_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = plan(trials=2, epochs=2)
    assert run(tmp_path / "calm", asked).count("finished") == 2
    ticks = itertools.chain([0.0], itertools.repeat(float("inf")))  # it is up once the first trial has begun
    with monkeypatch.context() as clock:
        clock.setattr(worker, "time", types.SimpleNamespace(time=lambda: next(ticks), sleep=time.sleep))
        stopped = run(tmp_path / "s", asked, hours=1.0)
    assert stopped.count("finished") < 2
    assert run(tmp_path / "s", asked).count("finished") == 2
    assert weights(tmp_path / "s") == weights(tmp_path / "calm")


def test_a_database_takes_the_place_of_the_journal(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'sweep.db'}"
    assert run(tmp_path / "s", plan(trials=1), storage=storage).count("finished") == 1
    assert run(tmp_path / "elsewhere" / "s", plan(trials=1), storage=storage).trials[0].outcome == "finished"


def test_a_storage_that_cannot_be_opened_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentUnfit, match="cannot be opened"):
        run(tmp_path / "s", plan(), storage="nosuchbase://here")
    assert not (tmp_path / "s").exists()


def test_a_database_without_its_driver_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(EnvironmentUnfit, match="driver of the database postgresql ") as refused:
        run(tmp_path / "s", plan(), storage="postgresql://user@127.0.0.1/name")
    assert refused.value.hint is not None
    assert "psycopg2-binary" in refused.value.hint


def test_a_worker_on_another_disk_is_left_alone_until_its_heart_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = str(tmp_path / "shared.log")
    job = SweepJob(recipe=RECIPE, plan=plan(trials=1), folder=tmp_path / "a" / "s", storage=storage)
    jobs = job, dataclasses.replace(job, folder=tmp_path / "b" / "s")
    here, there = (claims.Claims(job, open_study(job)) for job in jobs)
    with here.next() as claimed:
        assert claimed is not None
        with there.next() as taken:
            assert taken is None
        monkeypatch.setattr(claims, "GRACE_S", -1.0)
        with there.next() as taken:
            assert taken is not None
            assert taken.trial.number == claimed.trial.number


def test_a_trial_that_workers_die_of_comes_last(tmp_path: Path) -> None:
    job = SweepJob(recipe=RECIPE, plan=plan(trials=2), folder=tmp_path / "s")
    queue = claims.Claims(job, open_study(job))
    taken = []
    for _ in range(claims.MANY_DEATHS + 2):
        with queue.next() as claimed:
            assert claimed is not None
            taken.append(claimed.trial.number)
    assert taken == [0] * (claims.MANY_DEATHS + 1) + [1]


def test_a_trial_that_workers_die_of_is_given_up(tmp_path: Path) -> None:
    job = SweepJob(recipe=RECIPE, plan=plan(trials=1), folder=tmp_path / "s")
    queue = claims.Claims(job, open_study(job))
    for _ in range(worker.MOST_DEATHS + 1):
        with queue.next() as claimed:
            assert claimed is not None
    outcomes: list[worker.FinishedTrial] = []
    worker.work(job, tell=outcomes.append)
    assert "workers in a row died of it" in outcomes[0].words


def test_what_keeps_one_process_of_several_from_training_ends_all(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentUnfit, match="trials all failed"):
        run(tmp_path / "s", plan({"optim.lr": {"low": 1e30, "high": 1e31}}, trials=12), jobs=2)


@pytest.mark.parametrize(("options", "sentence"), [({"jobs": 0}, "0 nets at a time"), ({"hours": 0}, "no time")])
def test_what_cannot_be_asked_for_is_said(tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        run(tmp_path / "s", plan(), **options)


def test_a_sampler_is_told_of_by_its_own_arguments(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="has an unknown key 'startup'"):
        run(tmp_path / "s", plan(sampler={"name": "TPESampler", "startup": 3}))


def test_killed_workers_lose_no_trial_and_repeat_none(tmp_path: Path) -> None:
    run(tmp_path / "calm" / "s", plan(trials=4, epochs=8))
    folder = tmp_path / "sweeps" / "s"
    with sweeps.command(tmp_path) as alone:
        waiting.wait_until(lambda: sweeps.kill_at_work(folder))
    with sweeps.command(tmp_path, "--jobs", "2") as pair:
        waiting.wait_until(lambda: sweeps.kill_at_work(folder))
        _, stderr = pair.communicate()
    assert (alone.returncode, pair.returncode) == (-signal.SIGKILL, 0)
    assert "a worker was ended by SIGKILL; another takes over" in stderr
    assert weights(folder) == weights(tmp_path / "calm" / "s")
    assert sweeps.told(folder) == [0, 1, 2, 3]
