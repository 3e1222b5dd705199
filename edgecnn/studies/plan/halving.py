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
from edgecnn.studies.plan.records import Planned, PlannedRun

THIRD = 3
RUNGS = 4
MOST = 54
"""The most nets in the first rung."""
LAST = 0.4
"""The share of the trainings' time that is for the longest: how long a good net is trained matters more than which.

On Fashion-MNIST 80 epochs instead of 27 were worth 0.4 points, and the best two nets lay 0.2 apart.
"""
FAMILIES = 2
"""Families of nets that are never dropped for being the worse half."""
SHARE = 0.85
"""The share of the hours that trainings may take; exports and measurements take the rest."""


def rungs(recipe: Recipe, seconds_per_epoch: float, seconds: float, most: int = MOST) -> tuple[tuple[int, int], ...]:
    """Return (epochs, trainings) of each rung: the last has the recipe's epochs, and each before it a third of those.

    A rung before the last that would have one training chooses nothing and is left out. If the time does not hold one
    training of the last, all are shorter; there is always at least one.

    Args:
        recipe: Its epochs are the most.
        seconds_per_epoch: Of a net in the middle.
        seconds: For all trainings.
        most: The nets that there are to train.
    """
    epochs_in_all = seconds / seconds_per_epoch
    longest = min(recipe.epochs, max(1, int(epochs_in_all * LAST)))
    lengths = sorted({math.ceil(longest / THIRD**place) for place in range(RUNGS)})
    while len(lengths) > 1:
        fitting = [int(epochs_in_all * _share(place, len(lengths)) / epochs) for place, epochs in enumerate(lengths)]
        first = min(most, fitting[0])
        counts = [max(1, min(count, first // THIRD**place)) for place, count in enumerate(fitting)]
        if counts[-2] > 1:
            return tuple(zip(lengths, counts, strict=True))
        del lengths[-2]
    return ((min(recipe.epochs, max(1, int(epochs_in_all))), 1),)


def seconds_for_trainings(hours: float, prepared_seconds: float) -> float:
    """Return how long all trainings of a plan may take, which has prepared for so long."""
    return max(1.0, SHARE * 3600 * hours - prepared_seconds)


def _share(place: int, count: int) -> float:
    """Return the share of the trainings' time that is for one of so many rungs."""
    if count == 1:
        return 1.0
    return LAST if place == count - 1 else (1 - LAST) / (count - 1)


def next_net(planned: Planned) -> str | None:
    """Return the net of the first rung whose turn it is, told by the trainings so far; None if there is no more.

    The families take turns, and after each turn the worse half of them drops out, until two are left: how one family
    does against another is known after one training of each, and those that follow are better spent on the best.
    """
    shortest = planned.rungs[0][0]
    done = {trial.candidate: trial.validation_percent for trial in planned.trials if trial.epochs == shortest}
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


def seconds_left(planned: Planned, epochs: int) -> float:
    """Return what is left for the trainings of a rung: its share of the time, and what the ones before did not take."""
    lengths = [length for length, _ in planned.rungs]
    shares = [_share(place, len(lengths)) for place in range(lengths.index(epochs) + 1)]
    whole = seconds_for_trainings(planned.settings.hours, planned.prepared_seconds)
    return whole * math.fsum(shares) - math.fsum(trial.seconds for trial in planned.trials)


def seconds_per_epoch(planned: Planned, name: str, epochs: int) -> float | None:
    """Return what an epoch of a net takes, by its own longest training or by others' of that many epochs; None without.

    What is done once in a training counts as a part of its epochs, so a longer one takes a little less than this says.
    """
    own = [trial for trial in planned.trials if trial.candidate == name and not trial.failed]
    if own:
        longest = max(own, key=lambda trial: trial.epochs)
        return longest.seconds / longest.epochs
    others = [trial.seconds / trial.epochs for trial in planned.of_rung(epochs)]
    return statistics.median(others) if others else None


def has_time(planned: Planned, name: str, epochs: int) -> bool:
    """Return whether a training is likely to end before the time of its rung is over; the very first one always is."""
    pace = seconds_per_epoch(planned, name, epochs)
    return pace is None or pace * epochs <= seconds_left(planned, epochs)


def affordable(planned: Planned, epochs: int, base: tuple[PlannedRun, ...]) -> int:
    """Return how many epochs a rung's trainings can have: so many as it has, or what is left for the best net.

    Args:
        planned: The plan so far.
        epochs: Those of the rung.
        base: The trainings that the rung chooses from, the best first.
    """
    if any(planned.was_tried(trial.candidate, epochs) or has_time(planned, trial.candidate, epochs) for trial in base):
        return epochs
    pace = seconds_per_epoch(planned, base[0].candidate, epochs)
    assert pace is not None
    return int(seconds_left(planned, epochs) / pace)


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
