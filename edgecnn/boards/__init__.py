"""Boards: a file here is a way to reach a machine. Contract: `BoardKind`.

A board is a process that prints what it measured as one line of JSON; this machine is the board
that needs no network. The process is the same worker everywhere.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, cast

from edgecnn.boards import _named
from edgecnn.boards._named import NamedBoard
from edgecnn.boards._turns import in_turns
from edgecnn.common import plugins
from edgecnn.errors import UsageError, nearest
from edgecnn.onboard.job import Job, Outcome
from edgecnn.records.environment import Environment

if TYPE_CHECKING:
    from edgecnn.boards.ssh.link import Link


__all__ = [
    "Board",
    "BoardKind",
    "NamedBoard",
    "connect",
    "find",
    "get",
    "in_turns",
    "named_boards",
    "open_board",
    "preferred_python",
]


class Board(Protocol):
    """A machine that is ready to measure."""

    name: str
    """As it stands in a report and in its file's name."""

    keeps_time: bool
    """False for an emulated machine: it counts and answers, and is never asked how long."""

    counts_instructions: bool
    """False where it is known that nobody can count them; True says that asking is worth it."""

    def facts(self) -> Environment:
        """The board's Environment, read there."""
        ...

    def run(self, job: Job) -> Outcome:
        """Do the job in one fresh process there; the job's paths are this machine's.

        Raises what the worker raised, and EnvironmentUnfit when its process was killed or crashed.
        """
        ...


class BoardKind(Protocol):
    """What a file of this folder provides."""

    def open_board(self, address: str) -> AbstractContextManager[Board]:
        """Reach the board and clean up behind; `address` is what follows the colon of its name, or ""."""
        ...


def get(name: str) -> BoardKind:
    """The kind of board of that name; a UsageError lists the known ones."""
    return cast(BoardKind, plugins.load("boards", name, "board"))


def find(name: str) -> tuple[BoardKind, str]:
    """(kind, address) of the board a suite names: "local", "ssh://pi@raspberrypi", or a file of bench/boards/.

    A UsageError lists the known ones.
    """
    kind, colon, address = name.partition(":")
    if not colon and name in _named.names():
        return get("ssh"), name
    known = (*plugins.names("boards"), *_named.names())
    if kind not in known:
        raise UsageError(f"There is no board named {name!r}.", nearest(kind, known) + "; or ssh://user@host")
    return get(kind), address


def open_board(name: str) -> AbstractContextManager[Board]:
    """The board a suite names, ready to measure."""
    kind, address = find(name)
    return kind.open_board(address)


def connect(name: str) -> AbstractContextManager[Link] | None:
    """Open the bare link to a board, for what needs no worker there.

    Returns:
        The link, or None for a board that is reached without one.

    Raises:
        UsageError: There is no board of that name.
    """
    kind, address = find(name)
    connect_to = getattr(kind, "connect", None)
    return cast("AbstractContextManager[Link] | None", connect_to(address)) if connect_to else None


def preferred_python(name: str) -> str | None:
    """The interpreter that a named board's file asks for; None if it asks for none, or if no file has that name."""
    return _named.read(name).python if name in _named.names() else None


def named_boards() -> dict[str, NamedBoard]:
    """The boards of bench/boards/ by their names. Raises PlanError for a file that is not right."""
    return {name: _named.read(name) for name in _named.names()}
