"""Successive halving (Jamieson and Talwalkar, 2016, AISTATS): many short trainings, then longer ones of the best third.

How many fit into the hours is told by timing a training step of the costliest net. How far short trainings can be
trusted is told by the pairs of nets that kept their order from one rung to the next.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecnn import nets
from edgecnn.common import stats
from edgecnn.common.stats import Proportion
from edgecnn.records.recipe import NetPlan, Recipe
from edgecnn.studies.plan.records import Planned, Proposal

if TYPE_CHECKING:
    from edgecnn.data import Split

THIRD = 3
RUNGS = 3
MOST = 27
"""The most nets in the first rung."""
SHARE = 0.85
"""Of the hours that trainings may take; exports and measurements take the rest."""
TIMED_STEPS = 3


def rungs(recipe: Recipe, seconds_per_epoch: float, hours: float) -> tuple[tuple[int, int], ...]:
    """Return (epochs, trainings) of each rung: each takes as long as any other, and the last has the recipe's epochs.

    If the hours do not hold one training of each rung, all trainings are shorter; there is always at least one.
    """
    epochs_in_all = SHARE * 3600 * hours / seconds_per_epoch
    longest = recipe.epochs if epochs_in_all >= RUNGS * recipe.epochs else max(1, int(epochs_in_all // RUNGS))
    lengths = sorted({math.ceil(longest / THIRD**place) for place in range(RUNGS)})
    fitting = [max(1, int(epochs_in_all / len(lengths) / epochs)) for epochs in lengths]
    first = min(MOST, fitting[0])
    return tuple(
        (epochs, max(1, min(count, first // THIRD**place)))
        for place, (epochs, count) in enumerate(zip(lengths, fitting, strict=True))
    )


def seconds_per_epoch(recipe: Recipe, candidates: Sequence[Proposal], training: Split) -> float:
    """Time a training step of the net with the most multiply-accumulates, and return what an epoch takes."""
    import torch

    net = max(candidates, key=lambda candidate: candidate.macs)
    batch = min(recipe.batch_size, len(training))
    model = nets.build(NetPlan(name=net.net, options=net.options), net.input_shape, len(training.classes)).train()
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pictures = torch.randn(batch, *net.input_shape).to(memory_format=torch.channels_last)
    labels = torch.zeros(batch, dtype=torch.int64)

    def step() -> float:
        start = time.perf_counter()
        torch.nn.functional.cross_entropy(model(pictures), labels).backward()  # type: ignore[no-untyped-call]
        return time.perf_counter() - start

    step()
    return max(1, len(training) // batch) * sorted(step() for _ in range(TIMED_STEPS))[TIMED_STEPS // 2]


def order_kept(planned: Planned) -> Proportion | None:
    """Return the share of pairs whose better net in one rung was the better one in the next too; None without pairs."""
    kept = pairs = 0
    for (early, _), (late, _) in itertools.pairwise(planned.rungs):
        before = {trial.candidate: trial.validation_percent for trial in planned.of_rung(early)}
        after = {trial.candidate: trial.validation_percent for trial in planned.of_rung(late)}
        for first, second in itertools.combinations(after, 2):
            if before.get(first) != before.get(second) and after[first] != after[second]:
                pairs += 1
                kept += (before[first] > before[second]) == (after[first] > after[second])
    return stats.wilson(kept, pairs) if pairs else None
