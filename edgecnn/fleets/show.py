"""The output of a fleet's command: a line a board during the work, and a table or JSON at the end."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.common import console, escapes
from edgecnn.common.escapes import say
from edgecnn.errors import EXIT_GATE, EXIT_PASS
from edgecnn.fleets.journal import BoardOutcome

if TYPE_CHECKING:
    from edgecnn.fleets.fleet import Fleet

WIDTH = 80
TAIL_BYTES = 4096
"""How much of the end of a log is read for its last line."""


class Watched:
    """Boards that are worked on, as a person or a pipe sees them."""

    def __init__(self, boards: Sequence[str], log: Callable[[str], Path], live: Any | None) -> None:
        self._width = max(map(len, boards), default=0)
        self._left = len(boards)
        self._log = log
        self._live = live

    def tick(self, running: Mapping[str, float]) -> None:
        """Draw the boards that are at work; in a pipe nothing is drawn."""
        if self._live is None:
            return
        now_s = time.monotonic()
        lines = [
            self._line(board, "...", now_s - started_s, _last_line(self._log(board)))
            for board, started_s in running.items()
        ]
        if waiting := self._left - len(running):
            lines.append(f"{waiting} more wait")
        from rich.text import Text

        self._live.update(Text("\n".join(lines)), refresh=True)

    def tell(self, outcome: BoardOutcome) -> None:
        """Print the line of a board that has ended."""
        self._left -= 1
        line = self._line(outcome.board, word(outcome), outcome.elapsed_s, outcome.sentence)
        if self._live is None:
            console.note(line)
        else:
            self._live.console.print(line, markup=False, highlight=False, soft_wrap=False)

    def _line(self, board: str, state: str, elapsed_s: float, words: str) -> str:
        line = f"{escapes.line(board):<{self._width}}  {state:<9} {elapsed_s:6.1f} s  {escapes.line(words)}".rstrip()
        return line if self._live is None else line[: self._live.console.width]


@contextlib.contextmanager
def watching(boards: Sequence[str], log: Callable[[str], Path]) -> Iterator[Watched]:
    """Show boards at work: live in a terminal, and a line when one ends in a pipe."""
    if console.is_quiet() or not sys.stderr.isatty():
        yield Watched(boards, log, None)
        return
    from rich.console import Console
    from rich.live import Live

    # Drawn by our own loop: a thread of its own would not survive the forks.
    with Live(
        "", console=Console(stderr=True, markup=False, highlight=False), auto_refresh=False, transient=True
    ) as live:
        yield Watched(boards, log, live)


def word(outcome: BoardOutcome) -> str:
    """Return what became of a board, in a word."""
    return {EXIT_PASS: "ok", EXIT_GATE: "FAIL"}.get(outcome.exit_code, "not done")


def show(fleet: Fleet, fits: bool = False) -> None:
    """Print the fleet's table, then a line for each board that did not pass.

    Args:
        fleet: The record.
        fits: Whether cells are cut so that the table has 80 columns; the JSON has them whole.
    """
    rows = [(outcome.board, *row) for outcome in fleet.outcomes for row in outcome.rows]
    if rows:
        lines = [("board", *fleet.head), *rows]
        head, *rows = console.fitted(lines, WIDTH) if fits else lines
        console.table(head, rows)
    elif not fleet.failed:
        for outcome in fleet.outcomes:
            say(f"{outcome.board}: {outcome.sentence}")
    for outcome in fleet.failed:
        say(f"{outcome.board}: {word(outcome)} ({outcome.exit_code}): {outcome.sentence}")
        if outcome.hint:
            say(f"  {outcome.hint}")
    for note in fleet.notes:
        say(note)
    passed = len(fleet.outcomes) - len(fleet.failed)
    say(f"{passed} of {len(fleet.outcomes)} boards passed `{fleet.verb}`")


def _last_line(log: Path) -> str:
    """Return the last line that a board's process has printed so far."""
    with contextlib.suppress(OSError), log.open("rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - TAIL_BYTES))
        lines = stream.read().decode(errors="replace").splitlines()
        return lines[-1] if lines else ""
    return ""
