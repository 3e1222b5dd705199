"""The search for equal latency: where it looks next, and that it is done once."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn import data
from edgecnn.common import config
from edgecnn.errors import RunError
from edgecnn.records import plans
from edgecnn.records.recipe import NetPlan
from edgecnn.studies.duel import latency
from edgecnn.studies.duel.latency import Timed
from edgecnn.studies.duel.plan import DuelPlan


@given(st.floats(0.05, 5.0), st.floats(0.0, 0.8), st.integers(10_000, 10_000_000))
def test_six_tries_find_the_size_of_a_net_whose_time_is_a_constant_and_its_macs(
    slowness: float, constant: float, macs: int
) -> None:
    """Its time over the budget at m MACs is constant + slowness m / macs, which is no power of m."""
    goal, tried = macs, []
    for _ in range(latency.MOST_TRIES):
        ratio = constant + slowness * goal / macs
        tried.append((math.log(goal), math.log(ratio)))
        if abs(ratio - 1) <= latency.TOLERANCE:
            return
        goal = latency.next_goal(tried)
    pytest.fail(f"{[math.exp(ratio) for _, ratio in tried]}")


@given(st.floats(8, 12), st.floats(0.1, 4), st.floats(0.01, 0.9), st.floats(0.31, 1.49), st.floats(2, 3))
def test_the_next_size_lies_between_the_nearest_on_both_sides_of_the_budget(
    size: float, apart: float, part: float, slope: float, further: float
) -> None:
    below = (size, -part * apart * slope)
    above = (size + apart, (1 - part) * apart * slope)
    beyond = [(size - further, below[1] - further), (size + apart + further, above[1] + further)]
    assert size - 0.01 <= math.log(latency.next_goal([*beyond, below, above])) <= size + apart + 0.01


def test_nets_that_were_found_are_kept_and_another_duels_are_refused(tmp_path: Path) -> None:
    plan = DuelPlan(recipe=plans.load_recipe("dscnn-digits"), budget="latency")
    timed = [
        Timed(family=family, net=NetPlan(name=family), ratio=1.01, ratio_low=0.97, ratio_high=1.05, tries=3)
        for family in plan.families
    ]
    kept = {"asked": latency.question(plan), "target_ms": 0.25, "found": [config.table_of(net) for net in timed]}
    (tmp_path / latency.FILE).write_text(json.dumps(kept))
    training = data.load(plan.recipe.data).train
    assert latency.search(plan, training, tmp_path) == (0.25, timed)

    other = DuelPlan(recipe=plans.load_recipe("dscnn-digits", ["net.width=8"]), budget="latency")
    with pytest.raises(RunError, match="holds another duel's nets"):
        latency.search(other, training, tmp_path)
    (tmp_path / latency.FILE).write_text("{")
    with pytest.raises(RunError, match=r"latency\.json is not what a search found"):
        latency.search(plan, training, tmp_path)
