"""The verb: learn from a run's validation pictures how sure its files may be, and write it into their cards.

Each file is asked itself, so what is learnt is that of its own logits, int8 included. Validation chooses; the test
pictures are asked once, to state how the choices came out.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import console, locks, stats
from edgecnn.data import Split
from edgecnn.errors import DataError, ModelFileError, UsageError
from edgecnn.onboard import picture_files, runtimes, tensors, unknown
from edgecnn.onboard.runner import asked
from edgecnn.onboard.runner.classify import Classifier
from edgecnn.onboard.unknown import Rule, Sureness
from edgecnn.pipeline.calibrate import calibration_error, temperature, thresholds
from edgecnn.pipeline.calibrate.calibration_error import Classes, Shares
from edgecnn.pipeline.export import check
from edgecnn.pipeline.train import seen
from edgecnn.records import artifact as artifacts
from edgecnn.records import exported, settling, zoo
from edgecnn.records.artifact import Artifact
from edgecnn.records.certainty import Certainty, OtherPictures, Outlook, Score
from edgecnn.records.gates import Gate
from edgecnn.records.run import EXPORT_LOCK, Run, is_run, open_run

Logits = npt.NDArray[np.float32]
SCORE: Score = "max-softmax"
KEEP_PERCENT = 95.0


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The requirements that the thresholds must meet."""

    score: Score = SCORE
    keep_percent: float = KEEP_PERCENT
    """The share of pictures of the known classes that is to be kept."""
    max_risk_percent: float | None = None
    """The largest share of wrong answers among the pictures that are answered; None promises nothing."""

    def __post_init__(self) -> None:
        if self.score not in unknown.SCORES:
            raise UsageError(f"There is no score named {self.score!r}.", ", ".join(unknown.SCORES))
        if not 0 < self.keep_percent < 100:
            raise UsageError(f"{self.keep_percent:g} % of the pictures cannot be kept.", "--keep 95")
        if self.max_risk_percent is not None and not 0 < self.max_risk_percent < 100:
            raise UsageError(f"{self.max_risk_percent:g} % is no share of wrong answers.", "--max-risk 2")


def calibrate(
    target: Path, wish: Wish = Wish(), others: Sequence[Path] = (), only_unseen: bool = False
) -> list[Artifact]:
    """Learn when the answers of a run's files can be trusted, and write it into the files' cards.

    Args:
        target: A run, all files of which are calibrated, or one of its files.
        wish: What the thresholds are to achieve.
        others: Folders of pictures of other things, to state how many of them are unknown; nothing is learnt of them.
        only_unseen: State the result on those test pictures that the run has not seen, if it has seen some.

    Returns:
        The files, each with its `certainty`.

    Raises:
        UsageError: The target is no run and no file of one, or is one of the installed zoo.
        DataError: The run has no validation pictures, or a folder no pictures.
    """
    run, only = _run_of(target)
    if zoo.is_installed(run.folder):
        raise UsageError(
            f"{zoo.named(run.folder)} is part of an installed package, where nothing is written.",
            f"mkdir -p runs && cp -r {shlex.quote(str(run.folder))} runs && edgecnn calibrate runs/{run.name}",
        )
    splits = seen.splits_of(run, only_unseen)
    if not len(splits.validation):
        raise DataError(f"{run.name} has no validation pictures to learn from.", "train it with data.validation = 0.1")
    with locks.held(run.folder / EXPORT_LOCK, "calibrate"):
        cards = [card for card in exported.cards(run) if only is None or card.path.name == only]
        if not cards:
            raise UsageError(f"{run.name} has no file to calibrate.", f"edgecnn export {run.folder}")
        done = []
        for card in cards:
            console.note(f"asking {card.name} about {len(splits.validation):,} validation pictures")
            learnt = learn(card, ask(card, splits.validation), splits.validation.labels, wish)
            file = dataclasses.replace(card, certainty=learnt)
            outlook = dataclasses.replace(
                stated(file, ask(card, splits.test), splits.test.labels),
                others=tuple(_other_pictures(file, folder) for folder in others),
            )
            done.append(dataclasses.replace(card, certainty=dataclasses.replace(learnt, outlook=outlook)))
        for file in done:
            artifacts.write_card(file)
    return done


def judge(files: Sequence[Artifact], strict: bool = False) -> None:
    """Hold the promised risk, once the files are written and shown.

    Raises:
        Undecided: With `strict`, the validation pictures of a file cannot promise it; otherwise that is a warning.
    """
    broken = [file for file in files if file.certainty and file.certainty.risk and not file.certainty.risk.is_promised]
    if broken:
        settling.settle([_gate(broken)], strict, None, "more validation pictures would tell: a larger data.validation")


def learn(card: Artifact, logits: Logits, truth: Classes, wish: Wish) -> Certainty:
    """Return what the validation pictures say of a file, by its logits (N, K) for them and their classes (N,)."""
    rule = unknown.rule_of(dataclasses.replace(card, certainty=None))
    logits, truth = _known(logits, truth, rule)
    rule = dataclasses.replace(rule, temperature=temperature.fitted(logits, truth), score=wish.score)
    least = thresholds.least_score(unknown.scores(logits, rule), wish.keep_percent)
    rule = dataclasses.replace(rule, least_score=least)
    promised = None
    if wish.max_risk_percent is not None:
        passed, shares = _answered(decide(logits, rule))
        correct = logits.argmax(1) == truth
        promised = thresholds.risk(shares.max(1)[passed], correct[passed], len(truth), wish.max_risk_percent)
    return Certainty(
        temperature=rule.temperature,
        score=wish.score,
        least_score=least,
        keep_percent=wish.keep_percent,
        validation_n=len(truth),
        before=calibration_error.fit(unknown.softmax(logits), truth),
        after=calibration_error.fit(unknown.softmax(logits.astype(np.float64) / rule.temperature), truth),
        risk=promised,
    )


def stated(file: Artifact, logits: Logits, truth: Classes) -> Outlook:
    """Return what test pictures say of a calibrated file, by its logits (N, K) for them and their classes (N,)."""
    rule = unknown.rule_of(file)
    logits, truth = _known(logits, truth, rule)
    answered, shares = _answered(decide(logits, rule))
    count, best = int(answered.sum()), logits.argmax(1)
    answers = np.bincount(best[answered], minlength=len(file.labels)).tolist()
    return Outlook(
        before=calibration_error.fit(unknown.softmax(logits), truth),
        after=calibration_error.fit(shares, truth),
        answered=stats.wilson(count, len(truth)),
        wrong=stats.wilson(int((answered & (best != truth)).sum()), count) if count else None,
        mean_score=float(shares.max(1).mean()),
        class_percents={label: 100 * n / max(1, count) for label, n in zip(file.labels, answers, strict=True)},
    )


def decide(logits: Logits, rule: Rule) -> list[Sureness]:
    """Return the decision on each picture, by the logits (N, K)."""
    return [unknown.decide(row, rule) for row in logits]


def _other_pictures(file: Artifact, folder: Path) -> OtherPictures:
    """Return how many pictures of a folder a calibrated file does not know, asked as a device asks it."""
    classifier = Classifier(file, runtimes.for_format(file.description.format)[0])
    wanted = picture_files.asked_about(file)
    answers = [classifier(path) for path in asked.sources(str(folder), wanted).pictures]
    refused = sum(answer.unknown is not None for answer in answers)
    return OtherPictures(name=folder.name, unknown=stats.wilson(refused, len(answers)))


def ask(card: Artifact, pictures: Split) -> Logits:
    """Return a file's logits (N, K) for pictures. Raises ModelFileError if some are no numbers."""
    logits = tensors.decode(check.outputs(card, pictures.images), card.description.output)
    if not np.isfinite(logits).all():
        raise ModelFileError(f"{card.name} answers some pictures with what is no number.", "doctor may say why")
    return logits


def _known(logits: Logits, truth: Classes, rule: Rule) -> tuple[Logits, Classes]:
    """Return the logits and classes of the pictures that are of a class that is asked about."""
    known = truth != (-1 if rule.none_of_these is None else rule.none_of_these)
    return logits[known], truth[known]


def _answered(all_sure: Sequence[Sureness]) -> tuple[npt.NDArray[np.bool_], Shares]:
    """Return which pictures are answered, (N,), and the calibrated shares of all, (N, K)."""
    answered = np.array([sure.reason is None for sure in all_sure], dtype=bool)
    return answered, np.stack([sure.shares for sure in all_sure])


def _run_of(target: Path) -> tuple[Run, str | None]:
    """Return the run that a target names, and the name of its file if it is one. Raises UsageError."""
    if is_run(target):
        return open_run(target), None
    above = target.resolve().parent.parent
    if target.is_file() and is_run(above) and artifacts.read_card(target) is not None:
        return open_run(above), target.name
    raise UsageError(
        f"{target} is no run and no file of one, so nobody knows its validation pictures.", "name a run folder"
    )


def _gate(broken: Sequence[Artifact]) -> Gate:
    """Return the gate of the files whose risk cannot be promised: the first is told, the others are counted."""
    file, more = broken[0], len(broken) - 1
    certainty = file.certainty
    assert certainty is not None
    assert certainty.risk is not None
    sentence = (
        f"{certainty.validation_n:,} validation pictures cannot promise that {file.name} is wrong on at most "
        f"{certainty.risk.max_percent:g} % of what it answers: {certainty.risk.bound_percent:.1f} % is the lowest "
        f"bound, and even without a wrong answer {certainty.risk.needed_n:,} pictures are needed"
    )
    if more:
        sentence += f" ({more} more file{'s' * (more > 1)} likewise)"
    return Gate(limit="max-risk", subject=file.name, outcome="cannot tell", sentence=sentence)
