"""Doing one thing to each board of a group: in parallel, kept as it comes, and told in one line a board."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from edgecnn.common import bugs, config, console, files
from edgecnn.common.signals import ending_signal
from edgecnn.errors import EXIT_PASS, EXIT_UNFIT, EdgecnnError, FleetIncomplete, GateFailed
from edgecnn.fleets import show, workers
from edgecnn.fleets.journal import SUMMARY, VERSION, BoardOutcome, FleetJournal, FleetPlan, opened
from edgecnn.fleets.workers import WorkerEnd

JOBS = 8
"""Boards at a time, unless the user says otherwise: each costs this machine a process, and the network a transfer."""


ONCE = ("board status", "board trust")
"""What is asked anew each time, and never resumed."""


@dataclass(frozen=True, kw_only=True)
class BoardAnswer:
    """The answer of one board to a task."""

    sentence: str
    rows: tuple[tuple[str, ...], ...] = ()
    numbers: dict[str, float] = dataclasses.field(default_factory=dict)
    error: EdgecnnError | None = None
    """A gate that failed although everything was done, and `rows` say what."""


class Task(Protocol):
    """A task for one board, run in a process of its own."""

    def __call__(self, board: str, record: Path) -> BoardAnswer:
        """Do it, and write the board's record.

        Raises:
            EdgecnnError: It could not be done; the message says why.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The record of one command for a group of boards."""

    verb: str
    date: str
    """UTC, in ISO 8601."""
    subject: str
    head: tuple[str, ...]
    """The titles of the columns of the outcomes' rows."""
    outcomes: tuple[BoardOutcome, ...]
    """One for each board, in the group's order."""
    notes: tuple[str, ...] = ()
    """What there is to say of all boards together."""
    failure: str | None = None
    """Why all of it is taken back, if it is."""
    folder: Path | None = None
    """Where the record lies; it is not part of the JSON."""

    @property
    def failed(self) -> tuple[BoardOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.exit_code != EXIT_PASS)


def run(plan: FleetPlan, task: Task, head: Sequence[str], folder: Path, *, jobs: int, resume: bool) -> Fleet:
    """Do a task to each board of a plan and write the fleet's record.

    Args:
        plan: What is done to which boards.
        task: What is done to one.
        head: The titles of the columns of what it says.
        folder: The folder of the record (`fleets.journal`).
        jobs: How many boards at a time.
        resume: Whether to go on with the record that is there; boards that have answered are left alone.

    Raises:
        UsageError: There is nothing to resume, or another plan's record.
    """
    with opened(folder, plan, resume) as journal:
        on_each(journal, plan.boards, task, jobs)
        return finish(journal, head)


def on_each(journal: FleetJournal, boards: Sequence[str], task: Task, jobs: int) -> None:
    """Do a task to those of the boards that have not answered yet, and keep each outcome as it comes."""
    left = [board for board in boards if board not in journal.outcomes or not journal.outcomes[board].is_answered]
    each_of(journal, left, task, jobs)


def each_of(journal: FleetJournal, boards: Sequence[str], task: Task, jobs: int) -> None:
    """Do a task to all of the boards, and keep each outcome as it comes."""

    def work(board: str) -> dict[str, Any]:
        record = journal.place(board, ".json")
        record.unlink(missing_ok=True)  # of an earlier attempt
        return _done(task, board, record)

    def log(board: str) -> Path:
        return journal.place(board, ".log")

    try:
        with show.watching(boards, log) as watched:
            for end in workers.each(boards, work, jobs, log, watched.tick):
                outcome = _outcome(end, journal)
                journal.add(outcome)
                watched.tell(outcome)
    except KeyboardInterrupt:
        settled = sum(outcome.is_answered for outcome in journal.outcomes.values())
        rest = "" if journal.plan.verb in ONCE else "; with --resume the rest follows"
        console.warn(f"{settled} of {len(journal.plan.boards)} boards have answered{rest}.")
        raise


def finish(journal: FleetJournal, head: Sequence[str], notes: Sequence[str] = (), failure: str | None = None) -> Fleet:
    """Write the fleet's record from its journal, and return it; a board without an outcome was not tried."""
    plan = journal.plan
    fleet = Fleet(
        verb=plan.verb,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        subject=plan.subject,
        head=tuple(head),
        outcomes=tuple(journal.outcomes.get(board) or _untried(board) for board in plan.boards),
        notes=tuple(notes),
        failure=failure,
        folder=journal.folder,
    )
    files.write_json(journal.folder / SUMMARY, to_table(fleet))
    return fleet


def to_table(fleet: Fleet) -> dict[str, Any]:
    """Return the record as JSON has it."""
    table: dict[str, Any] = config.table_of(dataclasses.replace(fleet, folder=None))
    table.pop("folder", None)
    return {"version": VERSION, **table}


def judge(fleet: Fleet) -> None:
    """Raise an error if a board did not do it.

    Raises:
        GateFailed: All of it was taken back.
        FleetIncomplete: At least one board did not; the sentence names the first few.
        EdgecnnError: No board did, all for one and the same reason, which is that of the command and no board's.
    """
    if fleet.failure:
        lost = [outcome.board for outcome in fleet.outcomes if outcome.exit_code == EXIT_UNFIT and outcome.elapsed_s]
        hint = f"; --resume goes on with {', '.join(lost)}, which gave no answer" if lost else ""
        raise GateFailed(fleet.failure, f"the boards that were changed have the releases that they had before{hint}")
    if not (failed := fleet.failed):
        return
    first = failed[0]
    if len(failed) == len(fleet.outcomes) > 1 and len({(o.exit_code, o.sentence) for o in failed}) == 1:
        error = EdgecnnError(first.sentence, first.hint)
        error.exit_code = first.exit_code
        raise error
    names = ", ".join(outcome.board for outcome in failed[:3]) + (" and others" if len(failed) > 3 else "")
    is_over = fleet.verb in ONCE or all(outcome.is_answered for outcome in failed)
    repeat = "" if is_over else "; --resume tries those again that gave no answer"
    reason = f"{fleet.folder / SUMMARY} says why" if fleet.folder else "the lines above say why"
    raise FleetIncomplete(
        f"{len(failed)} of {len(fleet.outcomes)} boards did not pass `{fleet.verb}`: {names}.", f"{reason}{repeat}"
    )


def _done(task: Task, board: str, record: Path) -> dict[str, Any]:
    """Do a task in this process, and put what came of it into a table."""
    rows: tuple[tuple[str, ...], ...] = ()
    numbers: dict[str, float] = {}
    try:
        answer = task(board, record)
        rows, numbers, error, sentence = answer.rows, answer.numbers, answer.error, answer.sentence
    except Exception as problem:
        error = bugs.explained(problem)
    if error is not None:
        sentence = error.sentence
    code, hint = (EXIT_PASS, None) if error is None else (error.exit_code, error.hint)
    return {"exit_code": code, "sentence": sentence, "hint": hint, "rows": rows, "numbers": numbers}


def _outcome(end: WorkerEnd, journal: FleetJournal) -> BoardOutcome:
    """Turn the end of a board's process into its outcome."""
    record = journal.place(end.item, ".json")
    held = {"record": record.name if record.is_file() else None, "elapsed_s": round(end.elapsed_s, 3)}
    if end.answer is None:
        name = ending_signal(end.status) if end.status < 0 else None
        sentence = f"The process for this board was ended{f' by {name}' if name else f' with exit code {end.status}'}."
        log = journal.place(end.item, ".log")
        return BoardOutcome(board=end.item, exit_code=EXIT_UNFIT, sentence=sentence, hint=f"see {log}", **held)  # type: ignore[arg-type]
    return config.build(BoardOutcome, {**end.answer, **held, "board": end.item}, "the outcome")


def _untried(board: str) -> BoardOutcome:
    return BoardOutcome(board=board, exit_code=EXIT_UNFIT, sentence="It was not tried.")
