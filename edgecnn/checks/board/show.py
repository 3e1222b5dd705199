"""What `edgecnn board` prints: lines for people, or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgecnn.checks.board.board import BoardEntry, BoardInfo, Check, CleanedBoard, MadeImage
from edgecnn.common import console, documents
from edgecnn.common.escapes import say


def show_list(rows: Sequence[BoardEntry], as_json: bool = False) -> None:
    """Print a line for each kind of board and each board with a name."""
    if as_json:
        say(documents.to_json([{"board": row.board, "what": row.what} for row in rows]))
        return
    width = max(len(row.board) for row in rows) + 2
    for row in rows:
        say(f"{row.board:<{width}}{row.what}".rstrip())


def show_info(info: BoardInfo, as_json: bool = False) -> None:
    """Print what a board is, a line for each fact that is known."""
    if as_json:
        say(documents.to_json(dict(info.facts)))
        return
    for fact, value in {"machine": info.name, **info.facts}.items():
        if value not in (None, (), {}, ""):
            say(f"{fact:<26}{_plain(value)}")


def show_checks(checks: Iterable[Check]) -> None:
    """Print a line for each check as it becomes known; a warning goes to stderr."""
    for check in checks:
        if check.level == "warning":
            console.warn(check.sentence)
        else:
            say(f"{check.level:<6}{check.sentence}")


def show_made(made: MadeImage) -> None:
    """Print where the image is, and which boards start from it."""
    say(f"{made.folder}: {made.used_bytes / 1e6:.0f} MB, Debian {made.release}, {made.disk}")
    say(" ".join(made.boards))


def show_cleaned(cleaned: CleanedBoard) -> None:
    """Print how much was removed."""
    say(f"{cleaned.folder} on {cleaned.destination}: {cleaned.freed_bytes / 1e6:.1f} MB freed")


def _plain(value: object) -> str:
    """Return a fact in words: its parts one after the other, without brackets."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        if "version" in value and "path" in value:  # an interpreter
            return f"{'.'.join(map(str, value['version']))} ({value['path']})"
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
