"""Output for people: progress, notes, warnings and tables.

Data goes to stdout, everything else to stderr. Colour obeys NO_COLOR and is off in a pipe.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from edgecnn.common import escapes
from edgecnn.common.escapes import say

SHORTEST_CELL = 6
"""What `fitted` leaves of a cell at least."""

_quiet = False
_verbose = False
_silent = False
_held: list[Callable[[], None]] | None = None
"""What `held_back` holds; None outside of it."""


def be_quiet(quiet: bool) -> None:
    """Show only warnings and errors, as --quiet asks, or everything again."""
    global _quiet
    _quiet = quiet


def be_verbose(verbose: bool) -> None:
    """Show details too, as --verbose asks, or no longer."""
    global _verbose
    _verbose = verbose and not _silent


def is_quiet() -> bool:
    """Return whether somebody has asked for warnings and errors only."""
    return _quiet and not _silent


def is_verbose() -> bool:
    """Return whether details are shown."""
    return _verbose


def be_silent() -> None:
    """Show nothing but errors and discard stdout, for a process whose parent reports on its behalf."""
    global _quiet, _silent, _verbose
    _quiet, _silent, _verbose = True, True, False
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 (a device, open as long as the process)


def note(message: str) -> None:
    """Print one line about progress to stderr, unless quiet."""
    if _held is not None:
        _held.append(lambda: note(message))
    elif not _quiet:
        say(message, file=sys.stderr, flush=True)


def detail(message: str) -> None:
    """Print to stderr what only --verbose shows."""
    if _verbose:
        say(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def stage(label: str) -> Iterator[None]:
    """Tell with --verbose, after the block, how long it took: "read the pictures: 1.2 s"."""
    started = time.perf_counter()
    yield
    detail(f"{label}: {time.perf_counter() - started:.1f} s")


def warn(message: str) -> None:
    if _held is not None:
        _held.append(lambda: warn(message))
    elif not _silent:
        _say("warning", "yellow", message)


def error(sentence: str, hint: str | None = None) -> None:
    _say("error", "red", sentence)
    if hint:
        _say("hint", "cyan", hint)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Print no note and no warning inside, for what follows says them again; if an error ends it, they are printed."""
    global _held
    held: list[Callable[[], None]] = []
    _held = held
    try:
        yield
    except Exception:
        _held = None
        for say_it in held:
            say_it()
        raise
    finally:
        _held = None


@contextlib.contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar and yield `advance(n)`; in a pipe or with --quiet nothing is shown."""
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
    """Print aligned columns under a head: the first column left-aligned, the others right-aligned.

    Nothing is cut or wrapped, on a terminal or in a pipe; two spaces separate the columns.

    Args:
        head: The columns' titles.
        rows: The cells of each row, as many as titles.
        stream: Where to print; None is stdout.
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


def fitted(lines: Sequence[Sequence[str]], width: int) -> list[tuple[str, ...]]:
    """Return the cells of a table, its head among them, cut where they are longest until it has `width` columns."""
    widths = [max(len(escapes.line(line[i])) for line in lines) for i in range(len(lines[0]))]
    room = width - 2 * (len(widths) - 1)
    while sum(widths) > room and max(widths) > SHORTEST_CELL:
        widths[widths.index(max(widths))] -= 1
    return [
        tuple(cell if len(cell) <= most else f"{cell[: most - 1]}…" for cell, most in zip(line, widths, strict=True))
        for line in ([escapes.line(cell) for cell in line] for line in lines)
    ]


def note_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to stderr, unless quiet."""
    if _held is not None:
        _held.append(lambda: note_table(head, rows))
    elif not _quiet:
        table(head, rows, sys.stderr)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table in GitHub's Markdown; columns are right-aligned except the first and those of words."""
    columns = [[row[i] for row in rows] for i in range(len(head))]
    is_text = [i == 0 or all(cell[:1].isalpha() for cell in column) for i, column in enumerate(columns)]
    lines = [head, ["---" if left else "---:" for left in is_text], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def csv_line(cells: Sequence[object]) -> str:
    """Return cells as a line of CSV without its line break; None is an empty cell."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([escapes.line(c) if isinstance(c, str) else c for c in cells])
    return line.getvalue()


def _say(word: str, colour: str, message: str) -> None:
    if sys.stderr.isatty():
        from rich.console import Console

        Console(stderr=True, highlight=False).print(f"[bold {colour}]{word}:[/] ", end="")
    else:
        say(f"{word}: ", end="", file=sys.stderr)
    say(message, file=sys.stderr, flush=True)
