"""The verb: list boards, say what one is, whether it is fit, make the emulated ones, and empty what is kept there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from edgecnn import boards
from edgecnn.boards.ssh import board_cache, board_facts, preflight, remote
from edgecnn.boards.ssh.link import Link
from edgecnn.errors import LinkError, UsageError, nearest
from edgecnn.records import environment


@dataclass(frozen=True)
class BoardEntry:
    """A kind of board, or a board with a name."""

    board: str
    """As it is named in a command, as in "ssh://user@host[:port]"."""
    what: str


@dataclass(frozen=True, kw_only=True)
class BoardInfo:
    """The facts of a board, under the board's name."""

    name: str
    facts: Mapping[str, object]
    """Each fact by its name, as JSON takes it."""


@dataclass(frozen=True)
class Check:
    """One thing that has to be right for a measurement."""

    level: Literal["ok", "no", "warning"]
    """A "no" prevents a measurement, a "warning" limits it."""
    sentence: str


@dataclass(frozen=True, kw_only=True)
class MadeImage:
    """The image of the emulated ARM boards."""

    folder: str
    used_bytes: int
    release: str
    """Debian's release."""
    disk: str
    """The file of the disk with the packages on it."""
    boards: tuple[str, ...]
    """The boards that start from this image."""


@dataclass(frozen=True, kw_only=True)
class CleanedBoard:
    """The folder that was removed from a board, and the bytes that it freed."""

    folder: str
    destination: str
    freed_bytes: int


def list_boards() -> list[BoardEntry]:
    """List every kind of board, then every board with a name of its own, then every group."""
    from edgecnn.boards.emulated import machine, user_mode

    emulated = f"emulated:{'|'.join((*machine.BOARDS, *user_mode.CORES))}"
    kinds = {"emulated": emulated, "local": "local", "ssh": "ssh://user@host[:port]"}
    rows = [BoardEntry(kinds.get(name, f"{name}:…"), _caption(name)) for name in boards.KIND.usable()]
    for name, named in boards.named_boards().items():
        rows.append(
            BoardEntry(name, " ".join(filter(None, [f"ssh://{named.address.removeprefix('ssh://')}", named.notes])))
        )
    for name, group in boards.groups().items():
        rows.append(BoardEntry(name, " ".join(filter(None, [", ".join(group.boards), group.notes]))))
    return rows


def make(release: str | None = None, again: bool = False) -> MadeImage:
    """Make the image of the emulated ARM boards, and put the packages on its disk.

    Args:
        release: A release of Debian; None is the newest.
        again: Whether to make it anew, from the packages as they are today.

    Raises:
        UsageError: The release is not known.
        EnvironmentUnfit: A tool is missing.
    """
    from edgecnn.boards.emulated import debian, image, machine, provisioned

    release = release or debian.RELEASES[0]
    if release not in debian.RELEASES:
        raise UsageError(f"There is no emulated board under Debian {release!r}.", nearest(release, debian.RELEASES))
    made = image.make(release, again=again)
    disk = provisioned.make(made, remote.packages())
    return MadeImage(
        folder=str(made.folder),
        used_bytes=sum(path.stat().st_blocks * 512 for path in made.folder.iterdir()),
        release=release,
        disk=disk.name,
        boards=tuple(f"emulated:{name}" for name, (_, under) in machine.BOARDS.items() if under == release),
    )


def info(board: str) -> BoardInfo:
    """Read what a board is, in one round trip. Raises LinkError."""
    link = boards.connect(board)
    if link is None:
        with boards.open_board(board) as ready:
            machine = ready.facts()
        return BoardInfo(name=environment.machine_name(machine), facts=environment.to_table(machine))
    with link as connected:
        facts = board_facts.read(connected, boards.preferred_python(board))
    return BoardInfo(name=environment.machine_name(facts), facts=board_facts.to_table(facts))


def doctor(board: str) -> Iterator[Check]:
    """Check all that a measurement needs, one thing after the other.

    Yields:
        Each check as soon as its answer is known.

    Raises:
        BoardUnfit: Something prevents a measurement: the first that does, once all of them have been told.
        LinkError: The board cannot be reached.
    """
    link = boards.connect(board)
    if link is not None:
        yield from _examine(link, boards.preferred_python(board))
    with boards.open_board(board) as ready:
        machine = ready.facts()
        if link is None:
            yield Check("ok", environment.machine_name(machine))
            yield Check("ok", f"{machine.arch}, {machine.os}, Python {machine.python}")
        packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
        yield Check("ok", f"the worker runs there with {packages}")
    yield Check("ok", "nothing is in the way of a measurement")


def clean(board: str) -> CleanedBoard:
    """Empty what is kept on a board. Raises BoardUnfit while a bench runs there."""
    link = boards.connect(board)
    if link is None:
        raise UsageError(f"The board {board!r} is reached without a link.", "nothing is kept there")
    with link as connected:
        facts = board_facts.read(connected, boards.preferred_python(board))
        freed_bytes = board_cache.clean(connected, facts)
        return CleanedBoard(folder=facts.cache, destination=connected.destination, freed_bytes=freed_bytes)


def _examine(link: AbstractContextManager[Link], python: str | None) -> Iterator[Check]:
    """Check what can be seen before anything is copied; raises as `doctor` does."""
    if not shutil.which("ssh"):
        raise LinkError("This machine has no ssh.", "apt install openssh-client")
    with link as connected:
        yield Check("ok", f"reached {connected.destination}")
        facts = board_facts.read(connected, python)
        problems = preflight.problems(facts, remote.packages())
        yield from (Check("no", problem.sentence) for problem in problems)
        if not problems:
            yield Check("ok", environment.machine_name(facts))
            yield Check("ok", f"{facts.arch}, {facts.os}, Python {facts.python}")
        yield from (Check("warning", remark) for remark in preflight.remarks(facts))
    if problems:
        raise problems[0]


def _caption(kind: str) -> str:
    """Return the first line of a kind's docstring."""
    lines = (boards.get(kind).__doc__ or "").strip().splitlines()
    return lines[0] if lines else ""
