"""What a person reads while waiting: progress, notes, warnings and tables.

Data goes to stdout, everything else to stderr. Colour obeys NO_COLOR and is off in a pipe.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from edgecnn.common import escapes
from edgecnn.common.escapes import say

_quiet = False
_silent = False


def be_quiet(quiet: bool) -> None:
    """With --quiet only warnings and errors are shown."""
    global _quiet
    _quiet = quiet


def be_silent() -> None:
    """Nothing but errors is shown and stdout goes nowhere: for a process that another one speaks for."""
    global _quiet, _silent
    _quiet = _silent = True
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 (a device, open as long as the process)


def note(message: str) -> None:
    """One line of what is going on, on stderr."""
    if not _quiet:
        say(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    if not _silent:
        _say("warning", "yellow", message)


def error(sentence: str, hint: str | None = None) -> None:
    _say("error", "red", sentence)
    if hint:
        _say("hint", "cyan", hint)


@contextlib.contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield `advance(n)`. A bar on a terminal; in a pipe or with --quiet nothing."""
    if _quiet or not sys.stderr.isatty():
        yield lambda n: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda n: bar.advance(task, n)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO | None = None) -> None:
    """Aligned columns under a head, on stdout: the first column to the left, numbers to the right.

    Nothing is cut or wrapped, in a terminal or a pipe; two spaces part the columns.
    """
    stream = stream or sys.stdout
    head, *rows = [[escapes.line(cell) for cell in line] for line in (head, *rows)]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    for line in lines:
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        say("  ".join(cells).rstrip(), file=stream)


def note_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of what is going on, on stderr."""
    if not _quiet:
        table(head, rows, sys.stderr)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same table in GitHub's Markdown; a later column of words alone stands to the left."""
    columns = [[row[i] for row in rows] for i in range(len(head))]
    worded = [i == 0 or all(cell[:1].isalpha() for cell in column) for i, column in enumerate(columns)]
    lines = [head, ["---" if words else "---:" for words in worded], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _say(word: str, colour: str, message: str) -> None:
    if sys.stderr.isatty():
        from rich.console import Console

        Console(stderr=True, highlight=False).print(f"[bold {colour}]{word}:[/] ", end="")
    else:
        say(f"{word}: ", end="", file=sys.stderr)
    say(message, file=sys.stderr, flush=True)
