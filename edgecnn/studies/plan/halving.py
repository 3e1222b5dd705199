"""Successive halving (Jamieson and Talwalkar, 2016, AISTATS): many short trainings, then longer ones of the best third.

How many fit into the hours is told beforehand by timing training steps of a net in the middle, and then by what the
trainings themselves took. How far short trainings can be trusted is told by the pairs of nets that kept their order
from one rung to the next.
"""

from __future__ import annotations

import itertools
import math
import statistics

from edgecnn.common import stats
from edgecnn.common.stats import Proportion
from edgecnn.records.recipe import Recipe
from edgecnn.studies.plan.records import Planned

THIRD = 3
RUNGS = 4
MOST = 54
"""The most nets in the first rung."""
FAMILIES = 2
"""Families of nets that are never dropped for being the worse half."""
SHARE = 0.85
"""Of the hours that trainings may take; exports and measurements take the rest."""


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


def next_net(planned: Planned) -> str | None:
    """Return the net of the first rung whose turn it is, told by the trainings so far; None if there is no more.

    The families take turns, and after each turn the worse half of them drops out, until two are left: how one family
    does against another is known after one training of each, and those that follow are better spent on the best.
    """
    done = {trial.candidate: trial.validation_percent for trial in planned.of_rung(planned.rungs[0][0])}
    families: dict[str, list[str]] = {}
    for candidate in planned.candidates:
        families.setdefault(candidate.family, []).append(candidate.name)
    for turn in range(len(planned.candidates)):
        for names in families.values():
            if turn < len(names) and names[turn] not in done:
                return names[turn]
        best = {family: max(done[name] for name in names[: turn + 1]) for family, names in families.items()}
        kept = max(FAMILIES, math.ceil(len(families) / 2))
        families = {family: families[family] for family in sorted(families, key=lambda name: -best[name])[:kept]}
    return None


def has_time(planned: Planned, name: str, epochs: int) -> bool:
    """Return whether a training is likely to end before the time of its rung is over.

    Every rung has as much time as any other, and what the ones before left. What an epoch of the net takes is known
    from its training in the rung before, or else from those of other nets in this one; the first training of a rung
    always has time.
    """
    done = planned.of_rung(epochs)
    if not done:
        return True
    lengths = [length for length, _ in planned.rungs]
    over = SHARE * 3600 * planned.settings.hours * (lengths.index(epochs) + 1) / len(lengths)
    own = [trial for trial in planned.trials if trial.candidate == name]
    per_epoch = statistics.median(trial.seconds / trial.epochs for trial in own or done)
    return math.fsum(trial.seconds for trial in planned.trials) + per_epoch * epochs <= over


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
