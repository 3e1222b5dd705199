"""A journal of a fleet's boards, a line for each that ended, so that a kill loses no board that was done.

<folder>/
    fleet.jsonl       the journal: what was asked for, then a line for each board that ended, on the disk at once
    fleet.json        the fleet's record, written at the end: the outcome of every board
    <board>.json      the record of that board, as the same command writes it for one board
    <board>.log       what the command said about that board
    <board>.before    the release that a deployment has replaced there
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from edgecnn.common import config, documents, files, locks
from edgecnn.common.documents import Unreadable
from edgecnn.errors import EXIT_GATE, EXIT_PASS, PlanError, UsageError

JOURNAL, SUMMARY, LOCK = "fleet.jsonl", "fleet.json", "fleet.lock"
VERSION = 1
LONGEST_STEM = 80


@dataclass(frozen=True, kw_only=True)
class BoardOutcome:
    """The outcome of a fleet's task on one board."""

    board: str
    exit_code: int
    """What the command for this board alone would have ended with."""
    sentence: str
    hint: str | None = None
    elapsed_s: float = 0.0
    rows: tuple[tuple[str, ...], ...] = ()
    """The lines of the fleet's table that are about this board."""
    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    record: str | None = None
    """The name of the board's own record, beside the fleet's."""

    @property
    def is_answered(self) -> bool:
        """Return whether the question is settled, so that a resumed fleet leaves the board alone."""
        return self.exit_code in (EXIT_PASS, EXIT_GATE)


@dataclass(frozen=True, kw_only=True)
class FleetPlan:
    """The task of a fleet and its boards; a fleet is resumed with the same plan only."""

    verb: str
    boards: tuple[str, ...]
    subject: str
    """Everything that decides what is done to a board: the command's arguments, and the digests of what it sends."""


class FleetJournal:
    """The journal of one fleet, open for as long as it is worked on."""

    def __init__(self, folder: Path, plan: FleetPlan, stream: IO[bytes], lines: Sequence[dict[str, Any]]) -> None:
        self.folder = folder
        self.plan = plan
        self._stream = stream
        self.outcomes: dict[str, BoardOutcome] = {}
        self.notes: dict[str, str] = {}
        """Decisions that concern all boards, by their name."""
        for line in lines:
            self._take(line)

    def add(self, outcome: BoardOutcome) -> None:
        """Keep what came of a board; it is on the disk when this returns."""
        self._append({"outcome": config.table_of(outcome)})

    def note(self, name: str, sentence: str) -> None:
        """Keep a decision that concerns all boards."""
        self._append({"note": name, "sentence": sentence})

    def place(self, board: str, suffix: str) -> Path:
        """Return the file of a board that ends so."""
        return self.folder / f"{stem(board)}{suffix}"

    def _append(self, line: dict[str, Any]) -> None:
        self._stream.write(documents.to_json(line, None).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        if "outcome" in line:
            outcome = config.build(BoardOutcome, line["outcome"], JOURNAL)
            self.outcomes[outcome.board] = outcome
        elif "note" in line:
            self.notes[str(line["note"])] = str(line["sentence"])


@contextlib.contextmanager
def opened(folder: Path, plan: FleetPlan, resume: bool) -> Iterator[FleetJournal]:
    """Begin the journal in a folder, or go on with the one that is there.

    Raises:
        UsageError: There is nothing to resume, or it is another plan's.
        RunError: Another process works on it.
        OutputError: The folder cannot be written.
    """
    files.make_folder(folder)
    path = folder / JOURNAL
    with locks.held(folder / LOCK, "command for a group of boards"):
        lines = _read(path, plan) if resume else []
        if not resume:
            # Where the same plan was interrupted, its boards may have changed, and what they had is what they had then.
            ended = (".json", ".log") if _is_unfinished(folder, plan) else (".json", ".log", ".before")
            for board in plan.boards:
                for suffix in ended:
                    (folder / f"{stem(board)}{suffix}").unlink(missing_ok=True)
        (folder / SUMMARY).unlink(missing_ok=True)
        # Written anew, so that what a kill left of a line is gone.
        head = {"version": VERSION, "plan": config.table_of(plan)}
        files.write_text(path, "".join(f"{documents.to_json(line, None)}\n" for line in (head, *lines)))
        with path.open("ab") as stream:
            yield FleetJournal(folder, plan, stream, lines)


def stem(board: str) -> str:
    """Return the name of a board's files: its own if that can be one, or else with a digest that tells it apart."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", board).strip("-.")[:LONGEST_STEM]
    return plain if plain == board else f"{plain}-{hashlib.sha256(board.encode()).hexdigest()[:8]}"


def _is_unfinished(folder: Path, plan: FleetPlan) -> bool:
    """Return whether the folder holds the journal of this plan, begun and interrupted."""
    if (folder / SUMMARY).is_file():
        return False
    with contextlib.suppress(UsageError):
        _read(folder / JOURNAL, plan)
        return True
    return False


def _read(path: Path, plan: FleetPlan) -> list[dict[str, Any]]:
    """Read the lines after the head; a last line that a kill has cut is left out."""
    if not path.is_file():
        raise UsageError(f"There is nothing to resume in {path.parent}.", "leave out --resume to begin")
    lines = []
    for text in path.read_bytes().splitlines(keepends=True):
        try:
            lines.append(documents.table(text))
        except Unreadable as error:
            if text.endswith(b"\n"):
                raise UsageError(f"{path} is no journal of a fleet: {error}.", "leave out --resume to begin") from error
    try:
        earlier = config.build(FleetPlan, lines[0]["plan"], path.name)
    except (IndexError, KeyError, PlanError) as error:
        raise UsageError(f"{path} is no journal of a fleet.", "leave out --resume to begin anew") from error
    if earlier != plan:
        part = next(name for name in ("verb", "boards", "subject") if getattr(earlier, name) != getattr(plan, name))
        words = {"verb": "command", "boards": "boards", "subject": "options or files"}[part]
        raise UsageError(
            f"{path.parent} holds a fleet of other {words}, which this command cannot go on with.",
            "repeat the command as it was, or leave out --resume to begin anew",
        )
    return lines[1:]
