"""Evaluates model files on a test split: class by class, how sure, and on which pictures they are wrong.

<run>/evaluation/
    evaluation.json     all of it
    confusion.png       the confusions of the file that is told in full (`evaluation.shown`)
    mistakes.png        its worst mistakes
    pictures.npz        their pixels, and those of some right answers, for `edgecnn report`
"""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.checks.evaluate import pictures as drawn
from edgecnn.checks.evaluate import score
from edgecnn.checks.evaluate.score import Classes
from edgecnn.common import arrays, console, files, scratch, stats
from edgecnn.errors import DataError, UsageError
from edgecnn.onboard import runtimes, tensors
from edgecnn.pipeline.bench import candidates
from edgecnn.pipeline.bench.candidates import Candidate
from edgecnn.pipeline.bench.test_inputs import Shelf, Stimuli
from edgecnn.pipeline.calibrate import calibration_error
from edgecnn.pipeline.export import check
from edgecnn.pipeline.train import seen
from edgecnn.records import environment, gates, settling, shown_pictures, zoo
from edgecnn.records.artifact import class_count
from edgecnn.records.environment import Environment
from edgecnn.records.evaluation import FOLDER, Evaluation, FileScore, Rounding, balanced_accuracy, packed, shown, write
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.gates import Gate
from edgecnn.records.recipe import DataPlan
from edgecnn.records.run import is_run, open_run, reads_exports
from edgecnn.records.shown_pictures import ShownPictures

WORST_FIRST: tuple[gates.Outcome, ...] = ("fail", "cannot tell", "pass")


@reads_exports
def evaluate(
    target: Path,
    data: DataPlan | None = None,
    limit: int | None = None,
    output: Path | None = None,
    pictures: PictureOptions | None = None,
    only_unseen: bool = False,
    input_size: str | None = None,
) -> Evaluation:
    """Evaluate all files of a run, or one model file, on this machine.

    Args:
        target: A run folder, or a model file of any make.
        data: The data set whose test split is taken; None takes the run's.
        limit: How many pictures to take at random; None takes all.
        output: Folder for the record and its pictures; None takes the run's evaluation/ folder, and writes nothing for
            a loose file and a model of the installed zoo.
        pictures: How pictures are fed, where it differs from what a file says of itself.
        only_unseen: Leave out pictures that the run has seen, instead of failing.
        input_size: Size of an input that a file leaves open.

    Raises:
        UsageError, RunError, ModelFileError, DataError: The target cannot be run on the pictures.
        OutputError: The output cannot be written.
    """
    suite = candidates.suite_of("eval", "edgecnn eval", limit=limit, input=input_size, only_unseen=only_unseen)
    machine = environment.here()
    ready = candidates.installed(_one_each(candidates.find([target], suite, data, pictures)), machine, suite)
    run = open_run(target) if is_run(target) else None
    plan = data or (seen.data_of(run) if run else None)
    if plan is None:
        raise UsageError("Nobody knows which pictures this file is for.", "name --data, a data set or a folder")
    folder = output or (run.folder / FOLDER if run and not zoo.is_installed(run.folder) else None)
    if folder:
        files.make_folder(folder)
    scores, answers, shown_to = [], {}, {}
    with scratch.folder() as work:
        shelf = Shelf(work, limit, only_unseen)
        for candidate in ready:
            stimuli = shelf.take(plan, candidate.artifact, candidate.runs)
            truth = arrays.read_array(Path(stimuli.test.labels))
            images = arrays.read_array(Path(stimuli.test.images))
            console.note(f"asking {candidate.name} about {len(truth):,} pictures")
            logits = _logits(candidate, images)
            answers[candidate.name], shown_to[candidate.name] = (logits.argmax(1), truth), Path(stimuli.test.images)
            scores.append(_score(candidate, logits, truth, images, stimuli, machine))
        evaluation = Evaluation(
            command=shlex.join(["edgecnn", "eval", zoo.named(target), *candidates.words(suite, data, pictures)]),
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            data=plan.name,
            environment=machine,
            files=tuple(scores),
            roundings=tuple(_roundings(scores, answers)),
            folder=folder,
        )
        if folder:
            write(evaluation, folder)
            told = shown(evaluation)
            images = arrays.read_array(shown_to[told.file], in_memory=False)
            _draw(told, images, *answers[told.file], folder)
    return evaluation


def judge(evaluation: Evaluation, min_class_recall: float | None, strict: bool = False) -> None:
    """Hold the gate, after the evaluation was written and shown.

    Args:
        evaluation: What was measured.
        min_class_recall: The least recall in percent that every class should reach in every file; None is no limit.
        strict: Whether a class that may reach it or not is an error; otherwise it is a warning.

    Raises:
        GateFailed: A class is under the limit beyond doubt.
        Undecided: If `strict`, and an interval contains the limit.
    """
    if min_class_recall is None:
        return
    held = [_held(file, min_class_recall) for file in evaluation.files]
    settling.settle(
        held,
        strict,
        "`mistakes.png` shows what the class is taken for; more training pictures of it help most",
        "more test pictures of the class would tell",
    )


def _draw(file: FileScore, images: npt.NDArray[np.uint8], answer: Classes, truth: Classes, folder: Path) -> None:
    """Write the pictures of the file that is told in full: its confusions, its mistakes, and some pixels."""
    drawn.draw_confusion(file, folder / drawn.CONFUSION)
    (folder / drawn.MISTAKES).unlink(missing_ok=True)
    drawn.draw_mistakes(file, images, folder / drawn.MISTAKES)
    chosen = score.worth_showing(file.mistakes, answer, truth)
    shown_pictures.write(ShownPictures(chosen, truth[chosen], images[chosen]), folder)


def _held(file: FileScore, limit: float) -> Gate:
    """Return the outcome for a file: that of its worst class, and how many others fare so."""
    recalls = [(scored.label, scored.recall) for scored in file.classes if scored.recall]
    outcomes = [gates.at_least(recall.low_percent, recall.high_percent, limit) for _, recall in recalls]
    outcome: gates.Outcome = next((word for word in WORST_FIRST if word in outcomes), "pass")
    alike = [named for named, held in zip(recalls, outcomes, strict=True) if held == outcome]
    label, recall = min(alike, key=lambda named: named[1].percent)
    how = {"pass": "at least", "fail": "under", "cannot tell": "against"}[outcome]
    sentence = f"{label} in {file.file} has a recall of {recall}, {how} {limit:g} %"
    if outcome == "cannot tell":
        needed = stats.needed_n(recall.n, recall.percent, recall.low_percent, recall.high_percent, limit)
        sentence += f", {gates.doubt(recall.n, needed)}"
    if len(alike) > 1 and outcome != "pass":
        sentence += f" ({len(alike) - 1} more class{'es' * (len(alike) > 2)} likewise)"
    return Gate(limit="min-class-recall", subject=file.file, outcome=outcome, sentence=sentence)


def _one_each(all_candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return each file once, on the first runtime that reads it: another one answers the same."""
    return list({c.artifact.path: c for c in reversed(all_candidates)}.values())[::-1]


def _logits(candidate: Candidate, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the scores (N, K) of pictures. Raises DataError if they are no numbers."""
    model = candidate.artifact
    logits = tensors.decode(check.outputs(model, images), model.description.output)
    if not np.isfinite(logits).all():
        raise DataError(f"{candidate.name} answers some pictures with what is no number.", "doctor may say why")
    return logits


def _score(
    candidate: Candidate,
    logits: npt.NDArray[np.float32],
    truth: Classes,
    images: npt.NDArray[np.uint8],
    stimuli: Stimuli,
    machine: Environment,
) -> FileScore:
    model, description = candidate.artifact, candidate.artifact.description
    count = class_count(description.output)
    named = (names for names in (model.labels, stimuli.classes) if len(names) == count)
    labels = next(named, tuple(map(str, range(count))))
    temperature = model.certainty.temperature if model.certainty else 1.0
    shares, answers = score.shares_of(logits, temperature), logits.argmax(1)
    table = score.confusion(truth, answers, count)
    has_scores = description.output.reading != "number"
    error = calibration_error.expected_pp(shares, truth) if has_scores else None
    names = stimuli.files or tuple(f"#{number}" for number in range(len(truth)))
    classes = score.class_scores(table, labels)
    balanced = balanced_accuracy(classes)
    return FileScore(
        file=candidate.name,
        sha256=description.sha256,
        format=description.format,
        precision=description.precision,
        runtime=candidate.runtime,
        runtime_version=machine.packages[runtimes.get(candidate.runtime).PACKAGE],
        n=len(truth),
        top1=stats.wilson(int((answers == truth).sum()), len(truth)),
        top5=score.top5(shares, truth) if has_scores else None,
        calibration_error_pp=error.value if error else None,
        calibration_error_low_pp=error.low if error else None,
        calibration_error_high_pp=error.high if error else None,
        classes=classes,
        confusion=tuple(map(tuple, table.tolist())),
        mistakes=score.mistakes(shares, truth, labels, names),
        balanced_percent=balanced[0],
        balanced_low_percent=balanced[1],
        balanced_high_percent=balanced[2],
        correct_bits=packed(answers == truth),
        pictures_sha256=score.pictures_sha256([labels[k] for k in truth], stimuli.files, images),
    )


def _roundings(scores: Sequence[FileScore], answers: dict[str, tuple[Classes, Classes]]) -> list[Rounding]:
    """Compare each int8 file with the float file of its format."""
    rows = []
    for file in scores:
        floats = [other for other in scores if other.format == file.format and other.precision == "fp32"]
        if file.precision.startswith("int8") and len(floats) == 1:
            (before, truth), (after, _) = answers[floats[0].file], answers[file.file]
            changed = score.changes(before, after, truth, [scored.label for scored in file.classes])
            rows.append(Rounding(float_file=floats[0].file, int8_file=file.file, classes=changed))
    return rows
