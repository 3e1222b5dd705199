"""Successive halving: how many trainings of which length, and which net is next."""

from __future__ import annotations

import dataclasses
import itertools

from hypothesis import given
from hypothesis import strategies as st
from made_up_plan import LIMITS, ended, planned_with

from edgecnn.records import plans
from edgecnn.studies.plan import halving, records
from edgecnn.studies.plan.records import Planned


@given(epochs=st.integers(1, 200), pace=st.floats(0.01, 1e4), hours=st.floats(0.001, 100))
def test_rungs_shrink_by_thirds_and_fit_the_hours(epochs: int, pace: float, hours: float) -> None:
    recipe = plans.build_recipe(
        {"name": "x", "net": {"name": "mlp"}, "data": {"name": "digits"}, "epochs": epochs}, "x"
    )
    rungs = halving.rungs(recipe, pace, 3600 * hours)
    assert 1 <= len(rungs) <= halving.RUNGS
    assert all(early < late for (early, _), (late, _) in itertools.pairwise(rungs))
    assert all(many >= few >= 1 for (_, many), (_, few) in itertools.pairwise(rungs))
    assert rungs[-1][0] <= epochs
    assert all(count > 1 for _, count in rungs[:-1])
    whole = sum(length * count for length, count in rungs) * pace
    assert whole <= 3600 * hours or rungs == ((1, 1),)


def test_the_longest_training_has_all_its_epochs_if_two_fifths_of_the_hours_hold_them() -> None:
    recipe = plans.load_recipe("dscnn-digits", ["epochs=80"])
    pace = 0.4 * 3600 / 80  # an hour then has 1,440 s for the last rung's one training
    assert halving.rungs(recipe, pace * 0.999, 3600)[-1] == (80, 1)
    assert halving.rungs(recipe, pace * 2, 3600)[-1] == (40, 1)
    assert halving.rungs(recipe, pace * 2, 3600, most=1) == ((80, 1),)  # which needs no choice


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
    early = (ended("slow", 1, seconds=200), ended("quick", 1, seconds=20), ended("first", 10, seconds=300))
    planned = planned_with(((1, 3), (10, 2)), early)
    assert halving.seconds_left(planned, 10) == 3060 - 520
    assert halving.has_time(planned, "quick", 10)
    assert halving.has_time(planned, "slow", 10)  # it takes 2,000 s and ends within both rungs' time
    longer = dataclasses.replace(planned, trials=(*planned.trials, ended("second", 10, seconds=700)))
    assert not halving.has_time(longer, "slow", 10)
    late = dataclasses.replace(planned, prepared_seconds=600)
    assert not halving.has_time(late, "slow", 10)


def test_the_longest_training_is_as_long_as_what_is_left() -> None:
    planned = planned_with(((1, 2), (80, 1)), (ended("best", 1, 60, 60), ended("other", 1, 50, 60)))
    base = planned.of_rung(1)
    assert halving.affordable(planned, 80, base) == (3060 - 120) // 60
    quicker = dataclasses.replace(planned, trials=(ended("best", 1, 60, 60), ended("other", 1, 50, 30)))
    assert halving.affordable(quicker, 80, quicker.of_rung(1)) == 80  # the second best has time for all of them


def test_of_equals_the_cheapest_is_the_best_and_what_failed_is_none() -> None:
    trials = (ended("dear", 1), ended("cheap", 1), ended("broken", 1, failed="the loss became nan"))
    planned = planned_with(((1, 3), (3, 1)), trials, dear=2.0, cheap=1.0)
    assert [trial.candidate for trial in planned.of_rung(1)] == ["cheap", "dear"]
    assert planned.was_tried("broken", 1)
    both = dataclasses.replace(planned, trials=(*trials, ended("dear", 3, 40)))
    assert [(trial.candidate, trial.epochs) for trial in both.longest()] == [("dear", 3), ("cheap", 1)]


def test_the_order_that_short_trainings_give_is_held_against_the_longer_ones() -> None:
    short = (ended("a", 1, 50), ended("b", 1, 40), ended("c", 1, 30))
    planned = planned_with(((1, 3), (3, 2)), (*short, ended("a", 3, 60), ended("b", 3, 70)))
    kept = halving.order_kept(planned)
    assert kept is not None
    assert (kept.successes, kept.n) == (0, 1)
