"""`edgecnn plan`: what it trains survives a kill, and what it says is measured."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from made_up_plan import LIMITS, ended, planned_with

from edgecnn.common import config, documents
from edgecnn.errors import GateFailed, RunError, UsageError
from edgecnn.pipeline.train.train import train as train_net
from edgecnn.records import cost_profile, plans
from edgecnn.records.recipe import Recipe
from edgecnn.studies.plan import plan, records, show
from edgecnn.studies.plan.records import PlanLimits

RECIPE = plans.load_recipe("dscnn-digits", ["epochs=3", "precision=fp32"])

CHILD = """
import sys
from pathlib import Path
from edgecnn.records import plans
from edgecnn.studies.plan import plan, proposals
from edgecnn.studies.plan.records import PlanLimits
proposals.DRAWN = 2
recipe = plans.load_recipe("dscnn-digits", ["epochs=3", "precision=fp32"])
plan.plan(recipe, Path(sys.argv[1]), "local", PlanLimits(max_ms=1.0, max_kb=30), hours=0.004, resume=True)
"""


def trained(folder: Path) -> int:
    path = folder / records.FILE
    return len(documents.table(path)["trials"]) if path.is_file() else 0


def test_a_plan_that_was_killed_goes_on_and_ends_in_a_measured_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "digits"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)], env=dict(os.environ), stderr=subprocess.DEVNULL
    )
    while not trained(folder) and child.poll() is None:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    before = records.read(folder).trials
    assert before

    with pytest.raises(RunError, match="asked for something else"):
        plan.plan(RECIPE, folder, "local", PlanLimits(max_ms=2.0), hours=0.004, resume=True)
    with pytest.raises(RunError, match="holds a plan already"):
        plan.plan(RECIPE, folder, "local", LIMITS, hours=0.004)
    planned = plan.plan(RECIPE, folder, "local", LIMITS, hours=0.004, resume=True)

    assert planned.trials[: len(before)] == before
    assert len({trial.run for trial in planned.trials}) == len(planned.trials)
    chosen = plan.best(planned)
    assert (folder / chosen.file).stat().st_size == chosen.file_bytes <= 30_000
    assert chosen.arena_bytes == planned.candidate(chosen.candidate).arena_bytes
    assert chosen.measured > 0
    assert [gate.outcome for gate in planned.gates if gate.limit == "max-kb"] == ["pass"]
    assert records.read(folder) == planned
    show.show(planned)
    out = capsys.readouterr().out
    assert "predicted" in out
    assert "% off" in out
    assert (folder / plan.PAGE).read_text(encoding="utf-8").startswith("# A plan for local")


@pytest.mark.parametrize(
    ("limits", "hours", "error", "sentence"),
    [
        (PlanLimits(), 1.0, UsageError, "needs a limit"),
        (PlanLimits(max_minstr=1.0), 1.0, UsageError, "told in ms"),
        (PlanLimits(max_ms=1.0), 0.0, UsageError, "is no time"),
        (
            PlanLimits(max_ms=1e-6),
            1.0,
            GateFailed,
            r"None of \d+ nets is predicted within the limits on local; the nea",
        ),
        (PlanLimits(max_kb=0.5), 1.0, GateFailed, "nearest"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence_and_leaves_no_plan(
    limits: PlanLimits, hours: float, error: type[Exception], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=sentence):
        plan.plan(RECIPE, tmp_path / "plan", "local", limits, hours)
    assert not (tmp_path / "plan" / records.FILE).exists()


@pytest.mark.parametrize("name", ["max_ms", "max_kb", "min_acc"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = 0.0 should be above 0"):
        PlanLimits(**{name: 0.0})


def test_a_board_without_a_profile_is_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not known") as refused:
        plan.plan(RECIPE, tmp_path, "ssh://pi@nowhere", LIMITS)
    assert refused.value.hint == "edgecnn board profile ssh://pi@nowhere"


def test_a_net_that_cannot_be_trained_is_left_out_and_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(recipe: Recipe, folder: Path, **options: Any) -> Any:
        if recipe.net.name == "resnet":
            raise RuntimeError("Output size is too small")
        return train_net(recipe, folder, **options)

    monkeypatch.setattr("edgecnn.studies.plan.trials.train", train)
    planned = plan.plan(RECIPE, tmp_path / "digits", "local", LIMITS, hours=0.02)
    failed = [trial for trial in planned.trials if trial.failed]
    assert failed
    assert {planned.candidate(trial.candidate).net for trial in failed} == {"resnet"}
    assert planned.candidate(plan.best(planned).candidate).net == "dscnn"
    assert records.read(tmp_path / "digits") == planned
    show.show(planned)
    assert "of the trainings failed: resnet" in capsys.readouterr().out


def test_a_recipe_that_no_net_can_be_trained_by_is_one_sentence(tmp_path: Path) -> None:
    recipe = plans.load_recipe(
        "dscnn-digits", ["epochs=1", "precision=fp32", "optim.name=sgd", "optim.momentum=0.9", "optim.lr=1e30"]
    )
    with pytest.raises(GateFailed, match="No net could be trained; of the last one: The training loss became"):
        plan.plan(recipe, tmp_path / "digits", "local", LIMITS, hours=0.001)


def test_a_plan_may_name_its_profile_as_a_file(tmp_path: Path) -> None:
    planned = plan.plan(RECIPE, tmp_path / "digits", str(cost_profile.user_path("local")), LIMITS, hours=0.001)
    assert plan.best(planned).measured > 0


def test_a_plan_that_an_earlier_version_began_is_gone_on_with(tmp_path: Path) -> None:
    table = config.table_of(RECIPE)
    settings = records.PlanSettings(recipe=table, board="local", limits=LIMITS, hours=1)
    earlier = {key: value for key, value in table.items() if key != "head_epochs"}
    planned = dataclasses.replace(
        planned_with(((1, 1),), (ended("a", 1),)), settings=dataclasses.replace(settings, recipe=earlier)
    )
    records.write(planned, tmp_path)
    assert plan._begun(tmp_path, settings, resume=True) is not None
