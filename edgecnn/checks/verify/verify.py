"""`edgecnn verify`: the net, its files, their runtimes and boards, all asked the same test pictures.

<output>/
    parity.json        every answer and every comparison, with n, intervals and machines
    flips-<...>.png    the pictures two of them disagree on
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
from edgecnn.common import arrays, config, console, files, scratch
from edgecnn.errors import DataError, EnvironmentUnfit, UsageError
from edgecnn.formats.onnx import saturation
from edgecnn.pipeline.bench import candidates
from edgecnn.pipeline.bench.candidates import Candidate
from edgecnn.pipeline.bench.test_inputs import Shelf, same_order
from edgecnn.pipeline.train import seen
from edgecnn.records import environment, labels, settling, verdicts
from edgecnn.records.artifact import class_count
from edgecnn.records.environment import Environment
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.gates import Gate
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.run import Run, is_run, open_run, reads_exports

NET = "PyTorch"
"""Name of the answer of the run's own net."""


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
) -> tuple[Matrix, Path | None]:
    """Ask all targets the same test pictures here and on the boards `on`; returns the Matrix and where it was written.

    A target is a run folder, whose files are all asked, or a model file of any make. The first run's net is what
    all others are held against; without a run, the first file. Pictures are `data`'s or else the first run's,
    `limit` of them at random, fed as `pictures` says; no run must have seen one of them, or with `only_unseen` those
    are left out. Classes are numbered as the first run or file numbers them, and the answers of a file that has them in
    another order are put in that one. `input_size` is that of an input which a file leaves open. The matrix goes to
    `output`, or into the run's parity/ folder; for loose files without `output` it is not written. Gates are `judge`'s.

    Raises UsageError, RunError, ModelFileError or DataError for a target that cannot be asked, before anything is;
    OutputError for an unwritable output; EnvironmentUnfit or LinkError when a board fails.
    """
    tolerance = tolerance or Tolerance()
    if tolerance.lsb < 0 or not tolerance.relative >= 0:
        raise UsageError("A tolerance should not be negative.", "--tolerance 1e-5 --tolerance-lsb 0")
    keys = {"limit": limit, "input": input_size}
    table = {"name": "verify", **{key: value for key, value in keys.items() if value is not None}}
    suite = config.build(Suite, table, "--limit" if limit is not None else "verify")
    runs = [open_run(target) for target in targets if is_run(target)]
    found = candidates.find(targets, suite, data, pictures)
    plan = data or (seen.data_of(runs[0]) if runs else None)
    if plan is None:
        raise UsageError("Nobody knows which pictures these files are for.", "name --data, a data set or a folder")
    folder = output or (runs[0].folder / "parity" if runs else None)
    if folder:
        files.make_folder(folder)
    with scratch.folder() as work, contextlib.ExitStack() as opened:
        shelf = Shelf(work, limit, only_unseen)
        around = list({run.folder: run for one in found for run in one.runs}.values())
        stimuli = {one.artifact.path: shelf.take(plan, one.artifact, around) for one in found}
        first = _first(runs, found).artifact
        shown, classes = stimuli[first.path].test, _classes(runs, found)
        for one in found:
            if stimuli[one.artifact.path].test.images != shown.images:
                raise DataError(
                    f"{first.path} and {one.artifact.path} take pictures of different sizes.",
                    "verify asks all files the same pictures: name those of one size",
                )
        images, truth = arrays.one(Path(shown.images)), arrays.one(Path(shown.labels))
        machines = {HERE: environment.here()}
        asked = [_net(runs[0], images, truth, machines[HERE])] if runs else []
        for name in dict.fromkeys((HERE, *on)):
            board = None
            if name != HERE:
                board = opened.enter_context(boards.open_board(name))
                machines[name] = board.facts()
            ready = candidates.installed(found, machines[name], suite)
            with console.progress(f"asking on {name}", len(ready)) as advance:
                for one in ready:
                    seat, title = Seat(one, board), _title(one, found, name)
                    order = same_order(first, stimuli[first.path], one.artifact, stimuli[one.artifact.path])
                    asked.append(ask(seat, title, name, machines[name], Path(shown.images), truth, order))
                    advance(1)
        chosen = list(pairs(asked))
        with console.progress("comparing", len(chosen)) as advance:
            differences = []
            for before, after in chosen:
                apart = compare(before, after, images, truth, tolerance)
                apart = dataclasses.replace(apart, cause=_cause(apart, (before, after), machines))
                differences.append(_drawn(apart, before, after, images, truth, classes, folder))
                advance(1)
    matrix = Matrix(
        command=_command(targets, on, data, limit, tolerance, pictures, only_unseen),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        data=plan.name,
        n=len(truth),
        environments=machines,
        tolerance=tolerance,
        answers=tuple(one.answer for one in asked),
        differences=tuple(differences),
    )
    if folder:
        _clear(folder, matrix)
        write(matrix, folder)
    return matrix, folder


def judge(matrix: Matrix, max_drop: float | None = None, max_lsb: int | None = None, strict: bool = False) -> None:
    """The gates, once the matrix is written and shown.

    Raises GateFailed for a degenerate file always, for a drop against the first answer that is above `max_drop`
    percentage points beyond doubt, and for two outputs more than `max_lsb` steps apart; EnvironmentUnfit when
    `max_lsb` is asked for and no two files share an output scale; with `strict` Undecided for a drop that may be above
    `max_drop` or not, which is a warning otherwise.
    """
    held = [
        Gate(limit="finite", subject=one.name, outcome="fail", sentence=f"{one.name}: {one.degenerate}")
        for one in matrix.answers
        if one.degenerate
    ]
    for one in matrix.differences:
        seen = one.verdict
        if max_drop is not None and one.before == matrix.answers[0].name:
            outcome, reason = verdicts.hold(seen.gained, seen.lost, seen.n, seen.exact, max_drop)
            sentence = f"{one.after}: {reason}"
            held.append(Gate(limit="max-drop", subject=one.after, outcome=outcome, sentence=sentence))
        if max_lsb is not None and one.parity is not None and one.parity.max_lsb > max_lsb:
            pair = f"{one.before} and {one.after}"
            sentence = f"{pair}: {one.parity.max_lsb} steps apart, at most {max_lsb} allowed"
            held.append(Gate(limit="max-lsb", subject=pair, outcome="fail", sentence=sentence))
    settling.settle(
        held,
        strict,
        "the first layer that differs, if one was found, is named above",
        "more pictures would tell: a larger --limit, or a larger test split",
    )
    if max_lsb is not None and all(one.parity is None for one in matrix.differences):
        raise EnvironmentUnfit("No two of the files share an output scale, so --max-lsb says nothing.")


def _net(run: Run, images: npt.NDArray[np.uint8], truth: npt.NDArray[np.int64], machine: Environment) -> Asked:
    """The run's own net."""
    from edgecnn.pipeline.export.check import reference_logits  # torch

    logits = reference_logits(run, images)
    said = answer(
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
    return Asked(said, logits, logits, None)


def _title(one: Candidate, found: Sequence[Candidate], board: str) -> str:
    """The file's name, with its runtime if it has several, and its board if it is not this machine."""
    several = sum(other.name == one.name for other in found) > 1
    return one.name + (f" on {one.runtime}" if several else "") + ("" if board == HERE else f" @{board}")


def _classes(runs: Sequence[Run], found: Sequence[Candidate]) -> Sequence[str]:
    """Names of the classes; their numbers where no run and no file has them."""
    named = (names for names in (*(run.labels for run in runs), *(one.artifact.labels for one in found)) if names)
    return next(named, tuple(map(str, range(class_count(found[0].artifact.description.output)))))


def _first(runs: Sequence[Run], found: Sequence[Candidate]) -> Candidate:
    """The file whose order of the classes is that of all answers: the first run's, or else the first."""
    own = (one for one in found if runs and labels.same(one.artifact.labels, runs[0].labels))
    return next(own, found[0])


def _cause(apart: Difference, pair: tuple[Asked, Asked], machines: Mapping[str, Environment]) -> str | None:
    """Why two differ that should be equal, if one of them loses sums on its machine."""
    if not apart.searched:
        return None
    asked = [(one.seat, one.answer) for one in pair if one.seat is not None]
    causes = (saturation.cause(seat.path, said.runtime, machines[said.board]) for seat, said in asked)
    return next((cause for cause in causes if cause), None)


def _drawn(
    one: Difference,
    before: Asked,
    after: Asked,
    images: npt.NDArray[np.uint8],
    truth: npt.NDArray[np.int64],
    classes: Sequence[str],
    folder: Path | None,
) -> Difference:
    """With the picture of its flips, if there are any and a folder to put it into."""
    if folder is None or not np.isfinite(np.concatenate([before.logits, after.logits])).all():
        return one
    name = f"flips-{_safe(one.after)}-against-{_safe(one.before)}.png"
    drawn = sheet.write(
        folder / name, (one.before, one.after), images, truth, (before.logits, after.logits), classes
    )  # fmt: skip
    return dataclasses.replace(one, sheet=name if drawn else None)


def _clear(folder: Path, matrix: Matrix) -> None:
    """Remove the pictures of an earlier matrix that this one does not have."""
    try:
        earlier = read(folder / FILE)
    except UsageError:
        return
    for name in {one.sheet for one in earlier.differences} - {one.sheet for one in matrix.differences} - {None}:
        (folder / Path(str(name)).name).unlink(missing_ok=True)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-")


def _command(
    targets: Sequence[Path],
    on: Sequence[str],
    data: DataPlan | None,
    limit: int | None,
    tolerance: Tolerance,
    pictures: PictureOptions | None,
    only_unseen: bool,
) -> str:
    """The command line that measures this again."""
    words = ["edgecnn", "verify", *map(str, targets)]
    for name in on:
        words += ["--board", name]
    if data:
        words += ["--data", str(data.options.get("path", data.name))]
    if limit is not None:
        words += ["--limit", str(limit)]
    words += pictures.words() if pictures else []
    if only_unseen:
        words += ["--only-unseen"]
    usual = Tolerance()
    if tolerance.relative != usual.relative:
        words += ["--tolerance", f"{tolerance.relative:g}"]
    if tolerance.lsb != usual.lsb:
        words += ["--tolerance-lsb", str(tolerance.lsb)]
    return shlex.join(words)
