"""`edgecnn plan`: what it proposes keeps the limits, what it trains survives a kill, and what it says is measured."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.common import documents
from edgecnn.errors import GateFailed, RunError, UsageError
from edgecnn.records import cost_profile, environment, plans
from edgecnn.records.cost_profile import CostModel, CostProfile, HeldOut, KindCost
from edgecnn.studies.plan import halving, plan, proposals, records, show, trials
from edgecnn.studies.plan.records import PlanLimits, Planned

KINDS = (
    "conv", "pointwise", "dense", "depthwise 3x3", "depthwise 5x5", "add", "add with activation", "mean", "reshape",
    "max pool", "average pool", "pad",
)  # fmt: skip
LIMITS = PlanLimits(max_ms=1.0, max_kb=30)
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


@pytest.fixture(scope="module", autouse=True)
def made_up_profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Put a profile of this machine where plans look for it, in which every operator takes 2 µs."""
    cache = tmp_path_factory.mktemp("cache")
    known = KindCost(tile=(4, 16, 4), terms={"layer": 0.002})
    model = CostModel(
        precision="int8",
        runtime="litert",
        runtime_version="1",
        num_threads=1,
        call=0.001,
        operators=dict.fromkeys(KINDS, known),
        fitted_files=1,
        fitted_median_percent=1.0,
        held_out=HeldOut(median_percent=1.0, p95_percent=2.0, largest_percent=3.0, nets=()),
    )
    machine = environment.here()
    profile = CostProfile(
        board="local",
        unit="ms",
        date="2026-11-29",
        environment=machine,
        fingerprint=environment.fingerprint(machine),
        models=(model,),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        cost_profile.write(profile, cost_profile.user_path("local"))
    return cache


@pytest.fixture(autouse=True)
def few_nets(made_up_profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(made_up_profile))
    monkeypatch.setattr(proposals, "DRAWN", 2)


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


def test_everything_proposed_is_predicted_within_the_limits() -> None:
    profile = cost_profile.find("local")
    limits = PlanLimits(max_ms=0.05, max_kb=100, max_arena_kb=60)
    drawn, fitting = proposals.propose(profile, limits, [(1, 28, 28)], 10, seed=0)
    assert 0 < len(fitting) < drawn
    for net in fitting:
        assert net.predicted <= 0.05
        assert net.file_bytes + proposals.NOTES_BYTES <= 100_000
        assert net.arena_bytes <= 60_000
    families = {net.net for net in fitting}
    chosen = proposals.shortlist(fitting, len(families))
    assert {net.net for net in chosen} == families
    assert [net.macs for net in chosen] == sorted((net.macs for net in chosen), reverse=True)


def test_a_recipe_with_a_start_has_trained_nets_proposed_in_every_size() -> None:
    sized = plans.build_recipe(
        {
            "name": "x",
            "net": {"name": "resnet", "width": 16},
            "data": {"name": "folder", "path": "p", "size": 48},
            "start": "zoo:colour-90k",
            "learn": "head",
            "optim": {"body_lr": 0.1},
        },
        "a recipe",
    )
    trained = proposals.trained_nets(sized, channels=3)
    assert next(iter(trained)) == "zoo:colour-90k"
    assert {"zoo:colour-10k", "zoo:colour-30k"} <= set(trained)
    assert not any("fashion" in start for start in trained)
    assert proposals.trained_nets(RECIPE, channels=3) == {}

    shapes = proposals.shapes_of(sized, (3, 48, 48))
    _, fitting = proposals.propose(cost_profile.find("local"), PlanLimits(max_ms=1.0), shapes, 5, 0, trained)
    own = [net for net in fitting if net.start == "zoo:colour-90k"]
    assert [net.input_shape[1] for net in own] == [48, 32, 24]
    assert proposals.title(own[1]) == "zoo:colour-90k at 32 x 32"
    assert {net.family for net in proposals.shortlist(fitting, len(trained))} == set(trained)
    (other,) = (net for net in fitting if net.start == "zoo:colour-30k" and net.input_shape[1] == 32)
    drawn = next(net for net in fitting if not net.start)
    recipes = [trials.with_net(sized, net) for net in (own[0], other, drawn)]
    assert [(plan.start, plan.learn, plan.optim.body_lr) for plan in recipes] == [
        ("zoo:colour-90k", "head", 0.1), ("zoo:colour-30k", "all", 0.1), ("", "all", 1.0),
    ]  # fmt: skip


def test_a_net_of_one_size_alone_is_not_shown_smaller_pictures_first() -> None:
    recipe = plans.load_recipe("colour-90k")
    _, fitting = proposals.propose(cost_profile.find("local"), PlanLimits(max_ms=1.0), [(3, 32, 32)], 10, seed=0)
    planned = {net.net: trials.with_net(recipe, net) for net in fitting}
    assert planned["mlp"].small is None
    assert planned["resnet"].small == recipe.small is not None


def test_pictures_are_tried_smaller_where_their_data_set_takes_a_size() -> None:
    sized = plans.build_recipe(
        {"name": "x", "net": {"name": "dscnn"}, "data": {"name": "folder", "path": "p", "size": 64}}, "a recipe"
    )
    assert proposals.shapes_of(sized, (3, 64, 64)) == [(3, 64, 64), (3, 48, 48), (3, 32, 32)]
    assert proposals.shapes_of(RECIPE, (1, 8, 8)) == [(1, 8, 8)]


@given(epochs=st.integers(1, 200), pace=st.floats(0.01, 1e4), hours=st.floats(0.001, 100))
def test_rungs_shrink_by_thirds_and_fit_the_hours(epochs: int, pace: float, hours: float) -> None:
    recipe = plans.build_recipe(
        {"name": "x", "net": {"name": "mlp"}, "data": {"name": "digits"}, "epochs": epochs}, "x"
    )
    rungs = halving.rungs(recipe, pace, hours)
    assert 1 <= len(rungs) <= halving.RUNGS
    assert all(early < late for (early, _), (late, _) in itertools.pairwise(rungs))
    assert all(many >= few >= 1 for (_, many), (_, few) in itertools.pairwise(rungs))
    assert rungs[-1][0] <= epochs
    assert all(count > 1 for _, count in rungs[:-1])
    whole = sum(length * count for length, count in rungs) * pace
    assert whole <= 3600 * hours or rungs == ((1, 1),)


def test_the_longest_training_has_all_its_epochs_if_two_fifths_of_the_hours_hold_them() -> None:
    recipe = plans.load_recipe("dscnn-digits", ["epochs=80"])
    seconds = 0.4 * halving.SHARE * 3600 / 80  # an hour then has 2,448 s for the last rung's one training
    assert halving.rungs(recipe, seconds * 0.999, 1)[-1] == (80, 1)
    assert halving.rungs(recipe, seconds * 2, 1)[-1] == (40, 1)


def test_the_worse_half_of_the_families_drops_out_after_each_turn_until_two_are_left() -> None:
    accuracy = {"a": 50, "b": 80, "c": 70, "d": 60}  # of every net of a family

    def proposal(name: str) -> records.Proposal:
        return records.Proposal(
            name=name, net=name[0], options={}, input_shape=(1, 8, 8), macs=1, parameters=1, file_bytes=1,
            arena_bytes=1, predicted=1.0,
        )  # fmt: skip

    names = [f"{family}{number}" for number in range(3) for family in accuracy]
    settings = records.PlanSettings(recipe={}, board="local", limits=LIMITS, hours=1)
    planned = Planned(
        settings=settings, unit="ms", p95_percent=1, drawn=12, fitting=12, rungs=((1, 12),),
        candidates=tuple(proposal(name) for name in names),
    )  # fmt: skip
    order = []
    while (name := halving.next_net(planned)) is not None:
        order.append(name)
        done = records.PlannedRun(
            candidate=name, epochs=1, run=name, validation_percent=accuracy[name[0]], validation_n=100, seconds=1
        )
        planned = dataclasses.replace(planned, trials=(*planned.trials, done))
    assert order == ["a0", "b0", "c0", "d0", "b1", "c1", "b2", "c2"]


def test_a_training_that_would_outlast_its_rung_is_not_begun() -> None:
    settings = records.PlanSettings(recipe={}, board="local", limits=LIMITS, hours=1)

    def done(name: str, epochs: int, seconds: float) -> records.PlannedRun:
        return records.PlannedRun(
            candidate=name, epochs=epochs, run=name, validation_percent=50, validation_n=100, seconds=seconds
        )

    planned = Planned(
        settings=settings, unit="ms", p95_percent=1, drawn=3, fitting=3, rungs=((1, 3), (10, 2)), candidates=(),
        trials=(done("slow", 1, 200), done("quick", 1, 20), done("first", 10, 300)),
    )  # fmt: skip
    assert halving.SHARE * 3600 == 3060
    assert halving.has_time(planned, "quick", 10)  # 520 s are spent, and it takes 200
    assert halving.has_time(planned, "slow", 10)  # it takes 2,000 and ends within both rungs' time
    longer = dataclasses.replace(planned, trials=(*planned.trials, done("second", 10, 700)))
    assert not halving.has_time(longer, "slow", 10)


def test_the_order_that_short_trainings_give_is_held_against_the_longer_ones() -> None:
    def trial(name: str, epochs: int, percent: float) -> records.PlannedRun:
        return records.PlannedRun(
            candidate=name, epochs=epochs, run=name, validation_percent=percent, validation_n=100, seconds=1
        )

    trials = [*(trial(n, 1, p) for n, p in (("a", 50), ("b", 40), ("c", 30))), trial("a", 3, 60), trial("b", 3, 70)]
    settings = records.PlanSettings(recipe={}, board="local", limits=LIMITS, hours=1)
    planned = Planned(
        settings=settings, unit="ms", p95_percent=1, drawn=3, fitting=3, rungs=((1, 3), (3, 2)), candidates=(),
        trials=tuple(trials),
    )  # fmt: skip
    kept = halving.order_kept(planned)
    assert kept is not None
    assert (kept.successes, kept.n) == (0, 1)
