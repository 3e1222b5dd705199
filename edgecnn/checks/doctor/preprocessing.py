"""Finds the preprocessing a file was trained with, or the mistake a device makes, by trying all usual ones.

One search answers both questions. With labelled images: which way of feeding makes the file right most often? With a
device's answers: which way of feeding gives these answers? One mistake at a time is added, exchanged or taken back
while that is better beyond chance (exact McNemar on the same images, Bonferroni over those tried), so that two mistakes
at once are found too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from edgecnn.checks.doctor import class_order as order
from edgecnn.checks.doctor.images import Album
from edgecnn.checks.doctor.mistakes import MISTAKES, Mistake
from edgecnn.checks.doctor.model import ExaminedModel
from edgecnn.checks.doctor.trial import Hypothesis, Laboratory, Target, TrialAnswers, with_one, words
from edgecnn.common import console, stats
from edgecnn.data import Picture
from edgecnn.records.artifact import Preprocessing
from edgecnn.records.foreign import fed_words

ALPHA = 0.05
"""Significance level, before the Bonferroni correction."""
WELL_EXPLAINED = 0.9
"""The share of a device's answers below which pairs of mistakes are tried too."""
MOST_STEPS = 8
"""The most steps of a search, twice the number of stages."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A hypothesis and its evidence."""

    names: tuple[str, ...]
    """Names of its mistakes; () is the assumed way."""
    words: str
    percent: float
    """Top-1 accuracy, or agreement with the device."""
    low_percent: float
    high_percent: float
    gained: int
    """Images it fits better than the assumed way."""
    lost: int
    """Images it fits worse than the assumed way."""
    p_value: float
    agreement_percent: float
    """Share of the images with the same answer as under the assumed way."""
    classes_answered: int
    score_distance: float | None
    """Mean distance from the device's scores; None if it gave none."""
    same_tensors_as: str | None
    """A hypothesis that feeds the same tensors for these images; None if there is none."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The result of a search, with everything that was tried."""

    of_device: bool
    """Whether the answers are a device's."""
    n: int
    assumed: str
    """The assumed way, in words."""
    named: tuple[str, ...]
    """Names of the mistakes that fit best; () if the assumed way does."""
    named_words: str
    tied: tuple[str, ...]
    """Other hypotheses that fit as well, as far as these images can tell."""
    suspected: tuple[str, ...]
    """Hypotheses that fit better than the named one, but not beyond chance among so many tried."""
    order: order.Order | None
    """The order of the classes, if it is not that of the labels."""
    above_chance: bool
    """Whether the best fits better than the most frequent class alone would."""
    chance_percent: float
    """Share of the most frequent class."""
    tried: tuple[Tried, ...]
    """All hypotheses: the assumed way, then the others, the best first."""

    @property
    def best(self) -> Tried:
        return next(trial for trial in self.tried if trial.names == self.named)

    @property
    def is_poor(self) -> bool:
        """True if the images rule out that the best fits even half as far above chance as possible.

        Few images rule out nothing, nor do images of a single class, which a constant answer fits as well.
        """
        halfway = (self.chance_percent + 100) / 2
        return not self.above_chance and self.best.high_percent < halfway and self.chance_percent < 100


def laboratory(model: ExaminedModel, pictures: Sequence[Picture], preprocessing: Preprocessing) -> Laboratory:
    """Return a laboratory to try every mistake on the images; it reads none yet."""
    ahead = [
        (mistake.apply if mistake.stage == "read" else None, mistake.apply if mistake.stage == "size" else None)
        for mistake in mistakes_of(preprocessing.channels)
        if mistake.stage in ("read", "size")
    ]
    size = preprocessing
    album = Album(pictures, size.height, size.width, size.channels, size.resizing, [(None, None), *ahead])
    return Laboratory(model, album, preprocessing)


def mistakes_of(channels: int) -> list[Mistake]:
    """Return the mistakes that can happen to a model of that many channels."""
    return [mistake for mistake in MISTAKES if channels in mistake.channels]


def diagnose(laboratory: Laboratory, target: Target, names: Sequence[str], of_device: bool) -> Diagnosis:
    """Try every mistake, then combinations with the best, and name what fits.

    Args:
        laboratory: The model and the images.
        target: The answers to explain.
        names: Names of the classes.
        of_device: Whether the answers are a device's; otherwise they are true classes.

    Raises:
        DataError: If an image cannot be read.
    """
    mistakes = mistakes_of(laboratory.preprocessing.channels)
    singles: list[Hypothesis] = [(), *((mistake,) for mistake in mistakes)]
    with console.progress("trying mistakes", len(singles)) as advance:
        for hypothesis in singles:
            laboratory.answers(hypothesis)
            advance(1)
    class_order = order.find([laboratory.answers(hypothesis).classes for hypothesis in singles], target.classes, names)
    if class_order is not None:
        target = Target(classes=target.classes, scores=target.scores, place=class_order.place)
    tried = list(singles)
    named = _search(laboratory, target, mistakes, tried, of_device)
    named = _first_of_its_digest(laboratory, tried, named)
    return _diagnosis(laboratory, target, tried, named, class_order, of_device)


def _search(
    laboratory: Laboratory, target: Target, mistakes: list[Mistake], tried: list[Hypothesis], of_device: bool
) -> Hypothesis:
    """Find the hypothesis that no single change makes better; every one that is tried is appended to `tried`.

    If it explains little, every pair of a range and a pixel mistake is tried too, since neither may help alone.
    """
    current = _climb(laboratory, target, (), mistakes, tried)
    hits = float(target.hits(laboratory.answers(current)).mean())
    explained = hits >= WELL_EXPLAINED if of_device else _above_chance(target, laboratory.answers(current))
    if not explained:
        ranges, swaps = ([mistake for mistake in mistakes if mistake.stage == stage] for stage in ("range", "pixels"))
        pairs = [with_one((a,), b) for a, b in product(ranges, swaps)]
        better = _best(laboratory, target, current, pairs, tried)
        if better is not None:
            current = _climb(laboratory, target, better, mistakes, tried)
    for mistake in current:  # take back a mistake that another has made needless
        without = tuple(other for other in current if other != mistake)
        gained, lost, _ = target.compare(laboratory.answers(without), laboratory.answers(current))
        if gained <= lost:
            current = without
            tried += [current] if current not in tried else []
    return current


def _climb(
    laboratory: Laboratory, target: Target, current: Hypothesis, mistakes: list[Mistake], tried: list[Hypothesis]
) -> Hypothesis:
    """Add or exchange one mistake at a time while that is better beyond chance."""
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
    """Return the step that fits best, if it is better than `current` beyond chance among all steps tried."""
    tried += [step for step in steps if step not in tried]
    base = laboratory.answers(current)
    fits = [float(target.distance(laboratory.answers(step)).mean()) for step in steps]
    best = steps[int(np.argmin(fits))]
    gained, lost, p_value = target.compare(base, laboratory.answers(best))
    distinct = len({laboratory.answers(step).digest for step in steps})
    return best if gained > lost and p_value * distinct < ALPHA else None


def _chance(target: Target) -> float:
    """Return the share of the most frequent class."""
    return float(np.bincount(target.classes[target.classes >= 0]).max()) / len(target.classes)


def _above_chance(target: Target, answers: TrialAnswers) -> bool:
    return stats.wilson(int(target.hits(answers).sum()), len(target.classes)).low_percent > 100 * _chance(target)


def _first_of_its_digest(laboratory: Laboratory, tried: list[Hypothesis], named: Hypothesis) -> Hypothesis:
    """Return the simplest and first hypothesis that feeds the same tensors as `named`."""
    digest = laboratory.answers(named).digest
    return min((hypothesis for hypothesis in tried if laboratory.answers(hypothesis).digest == digest), key=len)


def _diagnosis(
    laboratory: Laboratory,
    target: Target,
    tried: list[Hypothesis],
    named: Hypothesis,
    class_order: order.Order | None,
    of_device: bool,
) -> Diagnosis:
    first: dict[str, Hypothesis] = {}
    for hypothesis in sorted(tried, key=len):
        first.setdefault(laboratory.answers(hypothesis).digest, hypothesis)
    rows = [
        _tried(laboratory, target, hypothesis, first[laboratory.answers(hypothesis).digest]) for hypothesis in tried
    ]
    best = laboratory.answers(named)
    tied, suspected = [], []
    for hypothesis in first.values():
        answers = laboratory.answers(hypothesis)
        gained, lost, p_value = target.compare(best, answers)
        if answers.digest != best.digest and p_value >= ALPHA and target.hits(answers).any():
            tied.append(words(hypothesis))
        elif gained > lost and p_value < ALPHA:
            suspected.append(words(hypothesis))
    head, rest = rows[:1], [row for row in rows[1:] if row.same_tensors_as is None]
    rest.sort(key=lambda row: (row.score_distance or 0.0, -row.percent))
    return Diagnosis(
        of_device=of_device,
        n=len(target.classes),
        assumed=_assumed_words(laboratory),
        named=tuple(hypothesis.name for hypothesis in named),
        named_words=words(named),
        tied=tuple(tied),
        suspected=tuple(suspected),
        order=class_order,
        # A device that answers one class for all is never above chance, though a mistake may explain it.
        above_chance=(of_device and bool(named)) or _above_chance(target, best),
        chance_percent=100 * _chance(target),
        tried=tuple(head + rest + [row for row in rows[1:] if row.same_tensors_as is not None]),
    )


def _tried(laboratory: Laboratory, target: Target, hypothesis: Hypothesis, same: Hypothesis) -> Tried:
    base, answers = laboratory.answers(()), laboratory.answers(hypothesis)
    hits = stats.wilson(int(target.hits(answers).sum()), len(target.classes))
    gained, lost, p_value = target.compare(base, answers)
    return Tried(
        names=tuple(mistake.name for mistake in hypothesis),
        words=words(hypothesis),
        percent=hits.percent,
        low_percent=hits.low_percent,
        high_percent=hits.high_percent,
        gained=gained,
        lost=lost,
        p_value=p_value,
        agreement_percent=100 * float((answers.classes == base.classes).mean()),
        classes_answered=len(np.unique(answers.classes)),
        score_distance=float(target.distance(answers).mean()) if target.scores is not None else None,
        same_tensors_as=None if same == hypothesis else words(same),
    )


def _assumed_words(laboratory: Laboratory) -> str:
    """Return the assumed way in words, from the card or by default."""
    spec, size = laboratory.model.description.input, laboratory.preprocessing
    shape = f"{size.colour_order}, {spec.layout or 'flat'}"
    return f"{fed_words(spec, size)}, {shape}, {size.resizing}, bilinear with antialias"
