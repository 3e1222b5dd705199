"""An evaluation on the page: class by class, the confusions, and the worst mistakes with their pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from edgecnn.common.stats import Proportion
from edgecnn.records import evaluation
from edgecnn.records.evaluation import Evaluation, FileScore, WrongAnswer
from edgecnn.records.run import Run
from edgecnn.studies.page import matrix, thumbnails
from edgecnn.studies.page.gather import Evaluated, Trained
from edgecnn.studies.page.svg import Picture
from edgecnn.studies.page.tables import NONE, Table, estimate

MOST_MISTAKES = 24


@dataclass(frozen=True, kw_only=True)
class ShownMistake:
    """A wrong answer, with its picture if the evaluation kept it."""

    truth: str
    answer: str
    percent: float
    """The answer's share of the softmax."""
    true_percent: float
    name: str
    address: str
    """Data URL, empty without a picture."""
    is_small: bool
    """Whether pixels are shown as squares."""


@dataclass(frozen=True, kw_only=True)
class ShownEvaluation:
    """An evaluation as the page shows it; without one, only the command that makes it."""

    run: Run
    command: str
    """What makes what is missing, empty if nothing is."""
    missing: str
    """What is missing, in a sentence."""
    file: FileScore | None = None
    evaluation: Evaluation | None = None
    files: Table | None = None
    classes: Table | None = None
    confusion: Picture | None = None
    mistakes: tuple[ShownMistake, ...] = ()
    notes: tuple[str, ...] = ()


def shown(key: str, trained: Trained) -> ShownEvaluation:
    """Build the page's form of a run's evaluation, with ids that begin with `key`."""
    run, evaluated = trained.run, trained.evaluated
    command = trained.eval_command
    if evaluated is None:
        missing = f"{run.name} was not evaluated class by class"
        return ShownEvaluation(run=run, command=command, missing=missing)
    result, file = evaluated.evaluation, evaluation.shown(evaluated.evaluation)
    lacks = file.mistakes and evaluated.pictures is None
    return ShownEvaluation(
        run=run,
        command=command if lacks else "",
        missing=f"The evaluation of {run.name} is an early one, which kept no pictures" if lacks else "",
        file=file,
        evaluation=result,
        files=_files(key, result),
        classes=_classes(key, result, file),
        confusion=matrix.confusion(f"{key}-confusion", file),
        mistakes=tuple(_mistake(mistake, evaluated) for mistake in file.mistakes[:MOST_MISTAKES]),
        notes=tuple(_notes(trained, result)),
    )


def _notes(trained: Trained, result: Evaluation) -> list[str]:
    digests = {artifact.name: artifact.description.sha256 for artifact in trained.artifacts}
    changed = sorted(file.file for file in result.files if digests.get(file.file, file.sha256) != file.sha256)
    if not changed:
        return []
    return [f"Evaluated before it was exported again, so that the file is another now: {', '.join(changed)}."]


def _mistake(mistake: WrongAnswer, evaluated: Evaluated) -> ShownMistake:
    image = evaluated.pictures.picture_at(mistake.index) if evaluated.pictures else None
    return ShownMistake(
        truth=mistake.truth,
        answer=mistake.answer,
        percent=100 * mistake.score,
        true_percent=100 * mistake.true_score,
        name="/".join(PurePath(mistake.picture).parts[-2:]),  # not the folders of whoever evaluated it
        address="" if image is None else thumbnails.address(image),
        is_small=image is not None and max(image.shape[:2]) < thumbnails.SIDE,
    )


def _files(key: str, result: Evaluation) -> Table:
    return Table(
        key=f"{key}-files",
        caption="Every file on the same pictures. Calibration error: how far the scores are from the shares of right "
        "answers (Guo et al., 2017), with its bootstrap interval.",
        head=("file", "precision", "top-1 % [95 %]", "top-5 %", "calibration error pp [95 %]", "n"),
        rows=[
            (
                file.file,
                file.precision,
                _share(file.top1, 2),
                f"{file.top5.percent:.2f}" if file.top5 else NONE,
                NONE
                if file.calibration_error_pp is None
                or file.calibration_error_low_pp is None
                or file.calibration_error_high_pp is None
                else estimate(file.calibration_error_pp, file.calibration_error_low_pp, file.calibration_error_high_pp),
                f"{file.n:,}",
            )
            for file in result.files
        ],
        words=("precision",),
    )


def _classes(key: str, result: Evaluation, file: FileScore) -> Table:
    changes = {
        change.label: f"{change.recall_change_pp:+z.1f} [{change.low_pp:+.1f}, {change.high_pp:+.1f}]"
        for rounding in result.roundings
        if rounding.int8_file == file.file
        for change in rounding.classes
    }
    ordered = sorted(file.classes, key=lambda score: score.recall.percent if score.recall else 101.0)
    against = next((r.float_file for r in result.roundings if r.int8_file == file.file), "")
    return Table(
        key=f"{key}-classes",
        caption=f"{file.file}, class by class, worst recall first. Recall: of the pictures of the class, those called "
        "so; precision: of the pictures called so, those of the class; intervals are Wilson's."
        + (f" Last column: recall against {against} on the same pictures, paired." if changes else ""),
        head=("class", "n", "recall % [95 %]", "precision % [95 %]", *(["int8 − float, pp [95 %]"] if changes else [])),
        rows=[
            (
                score.label,
                f"{score.recall.n:,}" if score.recall else "0",
                _share(score.recall),
                _share(score.precision),
                *([changes.get(score.label, NONE)] if changes else []),
            )
            for score in ordered
        ],
        bars={"recall % [95 %]": [score.recall.percent if score.recall else 0.0 for score in ordered]},
    )


def _share(share: Proportion | None, places: int = 1) -> str:
    if share is None:
        return NONE
    return f"{share.percent:.{places}f} [{share.low_percent:.1f}, {share.high_percent:.1f}]"
