"""The output of `edgecnn board`: lines for people, or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgecnn.checks.board.board import BoardEntry, BoardInfo, Check, CleanedBoard, MadeImage
from edgecnn.checks.board.status import BoardStatus, RunningModel
from edgecnn.checks.board.trust import Trust
from edgecnn.common import config, console, documents
from edgecnn.common.escapes import say

WIDTH = 80
SHORT = 8
"""How many digits of a digest stand in a table."""
STATUS_HEAD = ("model", "release", "sha256", "selftest", "limits", "asked", "unknown")


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


def show_status(status: BoardStatus, as_json: bool = False) -> None:
    """Print a line for each model on a board, in 80 columns."""
    if as_json:
        say(documents.to_json(config.table_of(status)))
        return
    head, *rows = console.fitted([STATUS_HEAD, *status_rows(status)], WIDTH)
    console.table(head, rows)
    for model in status.models:
        if model.verdict != "identical":
            say(f"{model.name}: {model.reason or 'no answer'}")
    if status.trusts:
        say("takes signed bundles only: `edgecnn board trust` lists whose")


def status_rows(status: BoardStatus) -> tuple[tuple[str, ...], ...]:
    """Return the cells of each model on a board, or of a board without any."""
    limits = "-" if status.throttled is None else f"{status.throttled:#x}"
    if not status.models:
        return (("none", "-", "-", "-", limits, "-", "-"),)
    return tuple(
        (
            model.name,
            model.release[:SHORT],
            (model.sha256 or "-")[:SHORT],
            model.verdict or "no answer",
            limits,
            *_counts(model),
        )
        for model in status.models
    )


def _counts(model: RunningModel) -> tuple[str, str]:
    """Return how many requests its servers have answered, and the share of pictures that they knew no class for."""
    told = [server for server in model.servers if server.requests is not None]
    if not told:
        return "-", "-"
    requests = sum(sum((server.requests or {}).values()) for server in told)
    knowing = [server for server in told if server.unknown is not None and server.pictures]
    pictures = sum(server.pictures or 0 for server in knowing)
    share = f"{100 * sum(server.unknown or 0 for server in knowing) / pictures:.1f} %" if pictures else "-"
    return f"{requests:,}", share


def show_trust(trust: Trust) -> None:
    """Print whose bundles a board takes."""
    if not trust.signers:
        say(f"{trust.board} takes every bundle")
    for signer in trust.signers:
        say(f"{trust.board} takes bundles signed with {signer}")
    if trust.newest_only:
        say("and none that was signed before the newest one that was current")


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
