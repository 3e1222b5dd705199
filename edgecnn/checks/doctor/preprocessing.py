"""Which preprocessing a file was trained with, or which mistake a device makes: every usual one is tried and named.

Two questions, one search. With labelled pictures: under which way of feeding is the file right most often? With a
device's answers: which way of feeding gives these answers? One mistake at a time is added, exchanged or taken back
while that is better beyond chance (exact McNemar on the same pictures, Bonferroni over those tried), so that two
made together are found too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from edgecnn.checks.doctor import class_order as order
from edgecnn.checks.doctor.images import Album
from edgecnn.checks.doctor.mistakes import MISTAKES, Mistake
from edgecnn.checks.doctor.model import Model
from edgecnn.checks.doctor.trial import Answers, Hypothesis, Laboratory, Target, with_one, words
from edgecnn.common import console, stats
from edgecnn.records.artifact import Preprocessing
from edgecnn.records.foreign import fed_words

ALPHA = 0.05
WELL_EXPLAINED = 0.9
"""Share of a device's answers that a hypothesis should give, before pairs of mistakes are tried."""
MOST_STEPS = 8
"""Of a search: twice the stages."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One hypothesis and its evidence."""

    names: tuple[str, ...]
    """Of its mistakes; () is the assumed way."""
    words: str
    percent: float
    """Top-1 accuracy, or agreement with the device."""
    low_percent: float
    high_percent: float
    gained: int
    """Pictures it fits better than the assumed way does."""
    lost: int
    p_value: float
    agreement_percent: float
    """Same answer as under the assumed way."""
    classes_answered: int
    score_distance: float | None
    """Mean distance of the scores, if the device gave some."""
    same_tensors_as: str | None
    """Another hypothesis that feeds the very same numbers to these pictures."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was found, and everything that was tried."""

    of_device: bool
    """True if the answers are a device's."""
    n: int
    assumed: str
    named: tuple[str, ...]
    """Mistakes that fit together; () if the assumed way does."""
    named_words: str
    tied: tuple[str, ...]
    """Other hypotheses that fit as well, as far as these pictures can tell."""
    suspected: tuple[str, ...]
    """Hypotheses that fit better than the one named, but not beyond what trying so many brings by chance."""
    order: order.Order | None
    """Set if the classes stand in another order than the labels say."""
    above_chance: bool
    chance_percent: float
    """The most frequent class's share."""
    tried: tuple[Tried, ...]
    """The assumed way first, then the best."""

    @property
    def best(self) -> Tried:
        return next(one for one in self.tried if one.names == self.named)

    @property
    def is_poor(self) -> bool:
        """Whether these pictures rule out that the best fits even half as far above chance as it could.

        Few pictures rule out nothing, nor do pictures of one class alone, which a constant answer fits as well.
        """
        halfway = (self.chance_percent + 100) / 2
        return not self.above_chance and self.best.high_percent < halfway and self.chance_percent < 100


def laboratory(model: Model, paths: Sequence[Path], preprocessing: Preprocessing) -> Laboratory:
    """Where every mistake can be tried on the pictures; nothing is read yet."""
    ahead = [
        (one.apply if one.stage == "read" else None, one.apply if one.stage == "size" else None)
        for one in mistakes_of(preprocessing.channels)
        if one.stage in ("read", "size")
    ]
    size = preprocessing
    album = Album(paths, size.height, size.width, size.channels, [(None, None), *ahead])
    return Laboratory(model, album, preprocessing)


def mistakes_of(channels: int) -> list[Mistake]:
    """Those that can happen to a model of that many channels."""
    return [mistake for mistake in MISTAKES if channels in mistake.channels]


def diagnose(laboratory: Laboratory, target: Target, names: Sequence[str], of_device: bool) -> Diagnosis:
    """Try every mistake, then those beside the best, and name what fits. `names` are the classes.

    Raises DataError for a picture that cannot be read.
    """
    mistakes = mistakes_of(laboratory.preprocessing.channels)
    singles: list[Hypothesis] = [(), *((mistake,) for mistake in mistakes)]
    with console.progress("trying mistakes", len(singles)) as advance:
        for hypothesis in singles:
            laboratory.answers(hypothesis)
            advance(1)
    found = order.find([laboratory.answers(one).classes for one in singles], target.classes, names)
    if found is not None:
        target = Target(classes=target.classes, scores=target.scores, place=found.place)
    tried = list(singles)
    named = _search(laboratory, target, mistakes, tried, of_device)
    named = _first_of_its_digest(laboratory, tried, named)
    return _diagnosis(laboratory, target, tried, named, found, of_device)


def _search(
    laboratory: Laboratory, target: Target, mistakes: list[Mistake], tried: list[Hypothesis], of_device: bool
) -> Hypothesis:
    """The hypothesis that no single change makes better; whatever is tried is added to `tried`.

    Where that explains little, every pair of a range and a pixel mistake is tried too: neither may help alone.
    """
    current = _climb(laboratory, target, (), mistakes, tried)
    hits = float(target.hits(laboratory.answers(current)).mean())
    explained = hits >= WELL_EXPLAINED if of_device else _above_chance(target, laboratory.answers(current))
    if not explained:
        ranges, swaps = ([one for one in mistakes if one.stage == stage] for stage in ("range", "pixels"))
        pairs = [with_one((a,), b) for a, b in product(ranges, swaps)]
        better = _best(laboratory, target, current, pairs, tried)
        if better is not None:
            current = _climb(laboratory, target, better, mistakes, tried)
    for mistake in current:  # one that another has made needless is taken back
        without = tuple(one for one in current if one != mistake)
        gained, lost, _ = target.compare(laboratory.answers(without), laboratory.answers(current))
        if gained <= lost:
            current = without
            tried += [current] if current not in tried else []
    return current


def _climb(
    laboratory: Laboratory, target: Target, current: Hypothesis, mistakes: list[Mistake], tried: list[Hypothesis]
) -> Hypothesis:
    """Add or exchange one mistake after the other while that is better beyond chance."""
    for _ in range(MOST_STEPS):
        steps = [with_one(current, mistake) for mistake in mistakes if mistake not in current]
        better = _best(laboratory, target, current, steps, tried)
        if better is None:
            break
        current = better
    return current


def _best(
    laboratory: Laboratory, target: Target, current: Hypothesis, steps: list[Hypothesis], tried: list[Hypothesis]
) -> Hypothesis | None:
    """The step that fits most pictures better, if it does so beyond chance among as many as were tried."""
    tried += [one for one in steps if one not in tried]
    base = laboratory.answers(current)
    fits = [float(target.distance(laboratory.answers(one)).mean()) for one in steps]
    best = steps[int(np.argmin(fits))]
    gained, lost, p_value = target.compare(base, laboratory.answers(best))
    distinct = len({laboratory.answers(one).digest for one in steps})
    return best if gained > lost and p_value * distinct < ALPHA else None


def _chance(target: Target) -> float:
    """The share of the most frequent class."""
    return float(np.bincount(target.classes[target.classes >= 0]).max()) / len(target.classes)


def _above_chance(target: Target, answers: Answers) -> bool:
    return stats.wilson(int(target.hits(answers).sum()), len(target.classes)).low_percent > 100 * _chance(target)


def _first_of_its_digest(laboratory: Laboratory, tried: list[Hypothesis], named: Hypothesis) -> Hypothesis:
    """Of those that feed the same numbers the simplest and first."""
    digest = laboratory.answers(named).digest
    return min((one for one in tried if laboratory.answers(one).digest == digest), key=len)


def _diagnosis(
    laboratory: Laboratory,
    target: Target,
    tried: list[Hypothesis],
    named: Hypothesis,
    found: order.Order | None,
    of_device: bool,
) -> Diagnosis:
    first: dict[str, Hypothesis] = {}
    for one in sorted(tried, key=len):
        first.setdefault(laboratory.answers(one).digest, one)
    rows = [_tried(laboratory, target, one, first[laboratory.answers(one).digest]) for one in tried]
    best = laboratory.answers(named)
    tied, suspected = [], []
    for one in first.values():
        answers = laboratory.answers(one)
        gained, lost, p_value = target.compare(best, answers)
        if answers.digest != best.digest and p_value >= ALPHA and target.hits(answers).any():
            tied.append(words(one))
        elif gained > lost and p_value < ALPHA:
            suspected.append(words(one))
    head, rest = rows[:1], [row for row in rows[1:] if row.same_tensors_as is None]
    rest.sort(key=lambda row: (row.score_distance or 0.0, -row.percent))
    return Diagnosis(
        of_device=of_device,
        n=len(target.classes),
        assumed=_assumed_words(laboratory),
        named=tuple(one.name for one in named),
        named_words=words(named),
        tied=tuple(tied),
        suspected=tuple(suspected),
        order=found,
        # A device that says one class for all is above no chance, yet a mistake that explains it is found.
        above_chance=(of_device and bool(named)) or _above_chance(target, best),
        chance_percent=100 * _chance(target),
        tried=tuple(head + rest + [row for row in rows[1:] if row.same_tensors_as is not None]),
    )


def _tried(laboratory: Laboratory, target: Target, one: Hypothesis, same: Hypothesis) -> Tried:
    base, answers = laboratory.answers(()), laboratory.answers(one)
    right = stats.wilson(int(target.hits(answers).sum()), len(target.classes))
    gained, lost, p_value = target.compare(base, answers)
    return Tried(
        names=tuple(mistake.name for mistake in one),
        words=words(one),
        percent=right.percent,
        low_percent=right.low_percent,
        high_percent=right.high_percent,
        gained=gained,
        lost=lost,
        p_value=p_value,
        agreement_percent=100 * float((answers.classes == base.classes).mean()),
        classes_answered=len(np.unique(answers.classes)),
        score_distance=float(target.distance(answers).mean()) if target.scores is not None else None,
        same_tensors_as=None if same == one else words(same),
    )


def _assumed_words(laboratory: Laboratory) -> str:
    """The way that is taken for right, from the card or by default."""
    spec, size = laboratory.model.description.input, laboratory.preprocessing
    shape = f"{size.colour_order}, {spec.layout or 'flat'}"
    return f"{fed_words(spec, size)}, {shape}, centre crop, bilinear with antialias"
