"""Run `bench`, `verify` or `board` on each board of a group, with the very verb that a single board gets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.checks.board import board as board_verb
from edgecnn.checks.board import show
from edgecnn.checks.board import status as status_verb
from edgecnn.checks.board import trust as trust_verb
from edgecnn.common import config, documents, files
from edgecnn.common.units import digits, interval
from edgecnn.errors import EdgecnnError
from edgecnn.fleets.fleet import BoardAnswer, Task
from edgecnn.records import model_files
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.measurement import Measurement
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.run import is_run

if TYPE_CHECKING:
    from edgecnn.checks.verify.layers import Tolerance
    from edgecnn.checks.verify.matrix import Difference

BENCH_HEAD = ("file", "runtime", "p50 [95 %]", "instructions", "top-1 %")
VERIFY_HEAD = ("answer", "top-1 %", "against here")
DOCTOR_HEAD = ("checks", "verdict")
STATUS_HEAD = show.STATUS_HEAD
TRUST_HEAD = ("takes bundles signed with", "of")


def bench(
    targets: Sequence[Path], suite: Suite, data: DataPlan | None, pictures: PictureOptions | None, strict: bool
) -> Task:
    """Return the task that benches files on a board; its gates are held there too."""
    from edgecnn.pipeline.bench import bench as verb

    def task(board: str, record: Path) -> BoardAnswer:
        result = verb.bench(targets, dataclasses.replace(suite, board=board), data, record, pictures)
        error: EdgecnnError | None = None
        try:
            verb.judge(result, suite, strict)
        except EdgecnnError as problem:
            error = problem
        rows = tuple(_bench_row(measurement) for measurement in result.measurements)
        return BoardAnswer(sentence=f"{len(rows)} measured", rows=rows, error=error)

    return task


def verify(
    targets: Sequence[Path],
    data: DataPlan | None,
    limit: int | None,
    tolerance: Tolerance,
    pictures: PictureOptions | None,
    only_unseen: bool,
    input_size: str | None,
    gates: Mapping[str, Any],
) -> Task:
    """Return the task that verifies files on a board against this machine; parity.json and flips go beside its record.

    Args:
        targets: As `verify.verify` takes them, like all that follow.
        data: The pictures.
        limit: How many of them.
        tolerance: How far two values may be apart.
        pictures: How they are fed.
        only_unseen: Leave out what a run has seen.
        input_size: A size that a file leaves open.
        gates: What `verify.judge` takes.
    """
    from edgecnn.checks.verify import matrix
    from edgecnn.checks.verify import verify as verb

    def task(board: str, record: Path) -> BoardAnswer:
        folder = record.with_suffix("")
        result = verb.verify(targets, [board], data, limit, tolerance, folder, pictures, only_unseen, input_size)
        files.write_json(record, matrix.to_table(result))
        error: EdgecnnError | None = None
        try:
            verb.judge(result, **gates)
        except EdgecnnError as problem:
            error = problem
        against = {pair.after: pair for pair in result.differences}  # the last one is the file's twin on this machine
        rows = tuple(
            (answer.file, f"{answer.top1_percent:.2f}", _apart(against[answer.name]))
            for answer in result.answers
            if answer.board == board
        )
        return BoardAnswer(sentence=f"{len(rows)} asked {result.n:,} pictures", rows=rows, error=error)

    return task


def doctor() -> Task:
    """Return the task that checks a board for all that a bench needs; its record is the list of checks."""

    def task(board: str, record: Path) -> BoardAnswer:
        checks: list[dict[str, str]] = []
        try:
            for check in board_verb.doctor(board):
                checks.append(dataclasses.asdict(check))
        finally:
            files.write_json(record, {"board": board, "checks": checks})
        warnings = [check["sentence"] for check in checks if check["level"] == "warning"]
        sentence = warnings[0] if warnings else "nothing is in the way of a measurement"
        verdict = f"{len(warnings)} warnings" if len(warnings) > 1 else "a warning" if warnings else "fit"
        return BoardAnswer(sentence=sentence, rows=((str(len(checks)), verdict),))

    return task


def status() -> Task:
    """Return the task that says what runs on a board."""

    def task(board: str, record: Path) -> BoardAnswer:
        state = status_verb.status(board)
        files.write_json(record, config.table_of(state))
        return BoardAnswer(sentence=f"{len(state.models)} models", rows=show.status_rows(state))

    return task


def trust(key: Path | None, forget: bool, newest_only: bool | None) -> Task:
    """Return the task that says, or changes, whose bundles a board takes."""

    def task(board: str, record: Path) -> BoardAnswer:
        held = trust_verb.trust(board, key, forget=forget, newest_only=newest_only)
        files.write_json(record, config.table_of(held))
        age = "the newest only" if held.newest_only else "any age"
        rows = tuple((signer, age) for signer in held.signers) or (("everybody", "any age"),)
        return BoardAnswer(sentence=f"takes bundles of {len(held.signers) or 'all'} signers", rows=rows)

    return task


def subject(targets: Sequence[Path], **options: Any) -> str:
    """Return what decides the answer of a board: the files with their digests, and the options."""
    plain = {name: config.table_of(value) for name, value in options.items() if value is not None}
    return documents.canonical({"files": {str(path): _digests(path) for path in targets}, **plain})


def _digests(target: Path) -> list[str]:
    """Return the sha256 of a model file, or of each file that a run has exported."""
    if target.is_file():
        return [model_files.sha256(target)]
    if not is_run(target):
        return []
    return [files.sha256(path) for path in sorted((target / "artifacts").glob("*.*")) if path.suffix != ".json"]


def _apart(pair: Difference) -> str:
    if pair.identical:
        return "identical"
    if pair.parity is not None:
        return f"{pair.parity.max_lsb} steps apart"
    return f"{pair.verdict.max_logit_difference:.2g} apart"


def _bench_row(measurement: Measurement) -> tuple[str, ...]:
    made = measurement.summary
    timed = made.p50_ms is not None and made.p50_low_ms is not None and made.p50_high_ms is not None
    return (
        measurement.file,
        measurement.runtime,
        interval(made.p50_ms, made.p50_low_ms, made.p50_high_ms) if timed else "-",  # type: ignore[arg-type]
        f"{digits(made.instructions_p50 / 1000)} k" if made.instructions_p50 else "-",
        f"{made.top1_percent:.2f}" if made.top1_percent is not None else "-",
    )
