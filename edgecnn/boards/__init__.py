"""Boards are machines that measure, and each file of this folder is a way to reach one (`BoardKind`).

A board runs a process that prints what it measured as one line of JSON. This machine is the board that needs no
network. The process is the same worker everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, cast

from edgecnn.boards import _groups, _named
from edgecnn.boards._groups import BoardGroup
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
    "BoardGroup",
    "BoardKind",
    "NamedBoard",
    "connect",
    "find",
    "get",
    "groups",
    "in_turns",
    "is_group",
    "members",
    "named_boards",
    "open_board",
    "preferred_python",
]


class Board(Protocol):
    """A machine that is ready to measure."""

    name: str
    """The name that stands in a report and in the report's file name."""

    keeps_time: bool
    """False for an emulated machine, which counts and answers, and is never asked how long anything takes."""

    counts_instructions: bool
    """False where it is known that instructions cannot be counted; True says that it is worth asking."""

    def facts(self) -> Environment:
        """Read the board's environment there."""
        ...

    def run(self, job: Job) -> Outcome:
        """Do a job in one fresh process there. The job's paths are this machine's.

        Raises:
            EdgecnnError: Whatever the worker raised.
            EnvironmentUnfit: The worker's process was killed, or it crashed.
        """
        ...


class BoardKind(Protocol):
    """The interface of a board plug-in; one that has a link to its board also has `connect(address)`."""

    def open_board(self, address: str) -> AbstractContextManager[Board]:
        """Reach the board, and clean up at the end; `address` is what follows the colon of its name, or ""."""
        ...


KIND = plugins.PluginKind("edgecnn.boards", "board", BoardKind, "edgecnn.boards")


def get(name: str) -> BoardKind:
    """Load the kind of board of that name. Raises UsageError, which lists the known ones."""
    return cast(BoardKind, KIND.load(name))


def find(name: str) -> tuple[BoardKind, str]:
    """Find a board by its name: "local", "ssh://pi@raspberrypi", or one that a file names.

    Returns:
        Its kind, and the address that the kind is to reach.

    Raises:
        UsageError: There is none of that name; the hint lists the known ones.
    """
    if is_group(name):
        raise UsageError(f"{name!r} is a group of boards, and one board is needed here.", "name one board")
    kind, colon, address = name.partition(":")
    if not colon and name in _named.names():
        return get("ssh"), name
    known = (*KIND.names(), *_named.names())
    if kind not in known:
        raise UsageError(f"There is no board named {name!r}.", nearest(kind, known) + "; or ssh://user@host")
    return get(kind), address


def open_board(name: str) -> AbstractContextManager[Board]:
    """Reach the board of that name and make it ready to measure. Raises UsageError for an unknown name."""
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
    """Return the interpreter that a named board's file asks for; None if it asks for none, or there is no file."""
    return _named.read(name).python if name in _named.names() else None


def named_boards() -> dict[str, NamedBoard]:
    """Return the boards that files name. Raises PlanError for a file that is not right."""
    return {name: _named.read(name) for name in _named.names()}


def is_group(name: str) -> bool:
    """Return whether a name is that of a group of boards, such as "@shop"."""
    return name.startswith(_groups.MARK)


def groups() -> dict[str, BoardGroup]:
    """Return the groups of boards that files name. Raises PlanError for a file that is not right."""
    return {name: _groups.read(name) for name in _groups.names()}


def members(names: Iterable[str]) -> tuple[str, ...]:
    """Return the boards that names of boards and of groups stand for, each once.

    Raises:
        UsageError: There is no board or group of that name.
        PlanError: A group's file has a mistake.
    """
    listed = [board for name in names for board in (_groups.read(name).boards if is_group(name) else (name,))]
    for board in listed:
        find(board)
    return tuple(dict.fromkeys(listed))
