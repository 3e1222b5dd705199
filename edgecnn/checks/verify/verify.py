"""`edgecnn verify`: runs a net and its files on the same test images, on all runtimes and boards.

<output>/
    parity.json        all answers and comparisons, with n, intervals and machines
    flips-<...>.png    the images two answers disagree on
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn import boards
from edgecnn.checks.verify import sheet
from edgecnn.checks.verify.compare import HERE, Asked, answer, ask, compare, pairs
from edgecnn.checks.verify.layers import Tolerance
from edgecnn.checks.verify.matrix import FILE, Difference, Matrix, read, write
from edgecnn.checks.verify.replay import Seat
from edgecnn.common import arrays, console, files, scratch
from edgecnn.errors import DataError, EnvironmentUnfit, UsageError
from edgecnn.formats.onnx import saturation
from edgecnn.pipeline.bench import candidates
from edgecnn.pipeline.bench.candidates import Candidate
from edgecnn.pipeline.bench.test_inputs import Shelf, same_order
from edgecnn.pipeline.train import seen
from edgecnn.records import environment, labels, settling, verdicts, zoo
from edgecnn.records.artifact import class_count
from edgecnn.records.environment import Environment
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.gates import Gate
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.run import Run, is_run, open_run, reads_exports

NET = "PyTorch"
"""Name of the answer that the run's own net gives."""


@reads_exports
def verify(
    targets: Sequence[Path],
    on: Sequence[str] = (),
    data: DataPlan | None = None,
    limit: int | None = None,
    tolerance: Tolerance | None = None,
    output: Path | None = None,
    pictures: PictureOptions | None = None,
    only_unseen: bool = False,
    input_size: str | None = None,
) -> Matrix:
    """Run all targets on the same test images, here and on boards, and compare their answers.

    The answers are compared with those of the first run's net, or of the first file if there is no run. Classes are
    numbered as there; the answers of a file with another order are reordered.

    Args:
        targets: Run folders, of which all files are run, or model files of any make.
        on: Names of boards, besides this machine.
        data: The data set whose test split is taken; None takes the first run's.
        limit: How many images to take at random; None takes all.
        tolerance: How far two values may be apart; None takes the default.
        output: Folder for the matrix; None takes the run's parity/ folder, and writes nothing for loose
            files and models of the installed zoo.
        pictures: How images are fed, where it differs from what a file says of itself.
        only_unseen: Leave out images that a run has seen, instead of failing.
        input_size: Size of an input that a file leaves open.

    Returns:
        The matrix, whose `folder` is where it was written. The gates are held by `judge`.

    Raises:
        UsageError, RunError, ModelFileError, DataError: If a target cannot be run; nothing is run then.
        OutputError: If the output cannot be written.
        EnvironmentUnfit, LinkError: If a board fails.
    """
    tolerance = tolerance or Tolerance()
    if tolerance.lsb < 0 or not tolerance.relative >= 0:
        raise UsageError("A tolerance should not be negative.", "--tolerance 1e-5 --tolerance-lsb 0")
    source = "--limit" if limit is not None else "verify"
    suite = candidates.suite_of("verify", source, limit=limit, input=input_size, only_unseen=only_unseen)
    runs = [open_run(target) for target in targets if is_run(target)]
    loaded = candidates.find(targets, suite, data, pictures)
    plan = data or (seen.data_of(runs[0]) if runs else None)
    if plan is None:
        raise UsageError("Nobody knows which pictures these files are for.", "name --data, a data set or a folder")
    folder = output or (runs[0].folder / "parity" if runs and not zoo.is_installed(runs[0].folder) else None)
    if folder:
        files.make_folder(folder)
    with scratch.folder() as work, contextlib.ExitStack() as opened:
        shelf = Shelf(work, limit, only_unseen)
        runs_around = list({run.folder: run for c in loaded for run in c.runs}.values())
        stimuli = {c.artifact.path: shelf.take(plan, c.artifact, runs_around) for c in loaded}
        first = _first(runs, loaded).artifact
        test, classes = stimuli[first.path].test, _classes(runs, loaded)
        for candidate in loaded:
            if stimuli[candidate.artifact.path].test.images != test.images:
                raise DataError(
                    f"{first.path} and {candidate.artifact.path} take pictures of different sizes.",
                    "verify asks all files the same pictures: name those of one size",
                )
        images, truth = arrays.read_array(Path(test.images)), arrays.read_array(Path(test.labels))
        machines = {HERE: environment.here()}
        answered = [_net(runs[0], images, truth, machines[HERE])] if runs else []
        for name in dict.fromkeys((HERE, *on)):
            board = None
            if name != HERE:
                board = opened.enter_context(boards.open_board(name))
                machines[name] = board.facts()
            ready = candidates.installed(loaded, machines[name], suite)
            with console.progress(f"asking on {name}", len(ready)) as advance:
                for candidate in ready:
                    seat, title = Seat(candidate, board), _title(candidate, loaded, name)
                    order = same_order(first, stimuli[first.path], candidate.artifact, stimuli[candidate.artifact.path])
                    answered.append(ask(seat, title, name, machines[name], Path(test.images), truth, order))
                    advance(1)
        compared = list(pairs(answered))
        with console.progress("comparing", len(compared)) as advance:
            differences = []
            for before, after in compared:
                difference = compare(before, after, images, truth, tolerance)
                difference = dataclasses.replace(difference, cause=_cause(difference, (before, after), machines))
                differences.append(_drawn(difference, before, after, images, truth, classes, folder))
                advance(1)
    matrix = Matrix(
        command=_command(targets, on, suite, data, tolerance, pictures),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        data=plan.name,
        n=len(truth),
        environments=machines,
        tolerance=tolerance,
        answers=tuple(a.answer for a in answered),
        differences=tuple(differences),
        folder=folder,
    )
    if folder:
        _clear(folder, matrix)
        write(matrix, folder)
    return matrix


def judge(matrix: Matrix, max_drop: float | None = None, max_lsb: int | None = None, strict: bool = False) -> None:
    """Hold the gates, after the matrix was written and shown.

    Args:
        matrix: The answers and their comparisons.
        max_drop: The largest drop against the first answer, in percentage points; None is no limit.
        max_lsb: The largest difference of two outputs, in steps of their scale; None is no limit.
        strict: Whether a drop that may be above `max_drop` or not is an error; otherwise it is a warning.

    Raises:
        GateFailed: If a file is degenerate, or beyond doubt above a limit.
        EnvironmentUnfit: If there is a `max_lsb`, and no two files share an output scale.
        Undecided: If `strict`, and an interval contains the limit.
    """
    gates = [
        Gate(limit="finite", subject=a.name, outcome="fail", sentence=f"{a.name}: {a.degenerate}")
        for a in matrix.answers
        if a.degenerate
    ]
    for difference in matrix.differences:
        verdict = difference.verdict
        if max_drop is not None and difference.before == matrix.answers[0].name:
            outcome, reason = verdicts.hold(verdict.gained, verdict.lost, verdict.n, verdict.exact, max_drop)
            sentence = f"{difference.after}: {reason}"
            gates.append(Gate(limit="max-drop", subject=difference.after, outcome=outcome, sentence=sentence))
        if max_lsb is not None and difference.parity is not None and difference.parity.max_lsb > max_lsb:
            pair = f"{difference.before} and {difference.after}"
            sentence = f"{pair}: {difference.parity.max_lsb} steps apart, at most {max_lsb} allowed"
            gates.append(Gate(limit="max-lsb", subject=pair, outcome="fail", sentence=sentence))
    settling.settle(
        gates,
        strict,
        "the first layer that differs, if one was found, is named above",
        "more pictures would tell: a larger --limit, or a larger test split",
    )
    if max_lsb is not None and all(d.parity is None for d in matrix.differences):
        raise EnvironmentUnfit("No two of the files share an output scale, so --max-lsb says nothing.")


def _net(run: Run, images: npt.NDArray[np.uint8], truth: npt.NDArray[np.int64], machine: Environment) -> Asked:
    """Return the answer of the run's own net."""
    from edgecnn.pipeline.export.check import reference_logits  # torch

    logits = reference_logits(run, images)
    net_answer = answer(
        logits,
        truth,
        name=NET,
        board=HERE,
        file=run.name,
        sha256=files.sha256(run.weights),
        precision="fp32",
        runtime="torch",
        runtime_version=machine.packages.get("torch", "unknown"),
    )
    return Asked(net_answer, logits, logits, None)


def _title(candidate: Candidate, all_candidates: Sequence[Candidate], board: str) -> str:
    """Return the file's name, with its runtime if there are several, and its board if it is not this machine."""
    has_namesake = sum(other.name == candidate.name for other in all_candidates) > 1
    return (
        candidate.name + (f" on {candidate.runtime}" if has_namesake else "") + ("" if board == HERE else f" @{board}")
    )


def _classes(runs: Sequence[Run], all_candidates: Sequence[Candidate]) -> Sequence[str]:
    """Return the names of the classes, or their indices if no run and no file names them."""
    known_names = (
        names for names in (*(run.labels for run in runs), *(c.artifact.labels for c in all_candidates)) if names
    )
    return next(known_names, tuple(map(str, range(class_count(all_candidates[0].artifact.description.output)))))


def _first(runs: Sequence[Run], all_candidates: Sequence[Candidate]) -> Candidate:
    """Return the file whose order of classes all answers take: the first with that of the first run, or the first."""
    own_order = (c for c in all_candidates if runs and labels.same(c.artifact.labels, runs[0].labels))
    return next(own_order, all_candidates[0])


def _cause(difference: Difference, pair: tuple[Asked, Asked], machines: Mapping[str, Environment]) -> str | None:
    """Return why two answers differ that should be equal, if one of the machines cuts sums off."""
    if not difference.searched:
        return None
    placed = [(answered.seat, answered.answer) for answered in pair if answered.seat is not None]
    causes = (saturation.cause(seat.path, reply.runtime, machines[reply.board]) for seat, reply in placed)
    return next((cause for cause in causes if cause), None)


def _drawn(
    difference: Difference,
    before: Asked,
    after: Asked,
    images: npt.NDArray[np.uint8],
    truth: npt.NDArray[np.int64],
    classes: Sequence[str],
    folder: Path | None,
) -> Difference:
    """Draw the flips into the folder, if there are any, and return the difference with the name of the sheet."""
    if folder is None or not np.isfinite(np.concatenate([before.logits, after.logits])).all():
        return difference
    name = f"flips-{_safe(difference.after)}-against-{_safe(difference.before)}.png"
    drawn = sheet.write(
        folder / name, (difference.before, difference.after), images, truth, (before.logits, after.logits), classes
    )  # fmt: skip
    return dataclasses.replace(difference, sheet=name if drawn else None)


def _clear(folder: Path, matrix: Matrix) -> None:
    """Remove the contact sheets of an earlier matrix that this one does not have."""
    try:
        earlier = read(folder / FILE)
    except UsageError:
        return
    for name in {d.sheet for d in earlier.differences} - {d.sheet for d in matrix.differences} - {None}:
        (folder / Path(str(name)).name).unlink(missing_ok=True)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-")


def _command(
    targets: Sequence[Path],
    on: Sequence[str],
    suite: Suite,
    data: DataPlan | None,
    tolerance: Tolerance,
    pictures: PictureOptions | None,
) -> str:
    """Return the command line that repeats the verification."""
    words = ["edgecnn", "verify", *map(zoo.named, targets)]
    for name in on:
        words += ["--board", name]
    words += candidates.words(suite, data, pictures)
    default = Tolerance()
    if tolerance.relative != default.relative:
        words += ["--tolerance", f"{tolerance.relative:g}"]
    if tolerance.lsb != default.lsb:
        words += ["--tolerance-lsb", str(tolerance.lsb)]
    return shlex.join(words)
