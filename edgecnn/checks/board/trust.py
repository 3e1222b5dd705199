"""The verb: whose bundles a board takes. The list lies on the board, which checks every deployment against it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn import boards
from edgecnn.boards.ssh import board_facts, preflight
from edgecnn.boards.ssh.failures import unwritten
from edgecnn.boards.ssh.link import Link
from edgecnn.common import replies
from edgecnn.errors import UsageError
from edgecnn.onboard import signatures
from edgecnn.pipeline.deploy import signing

MOST_SIGNERS = 1000


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Whose bundles a board takes."""

    board: str
    signers: tuple[str, ...]
    """The keys, each with its type and comment; none says that every bundle is taken."""
    newest_only: bool
    """Whether a bundle that was signed before the newest current one is refused."""


def trust(board: str, key: Path | None = None, *, forget: bool = False, newest_only: bool | None = None) -> Trust:
    """Add a signer to those whose bundles a board takes, or remove one; without a key, tell whose they are.

    Args:
        board: The board's name.
        key: A public key of ssh.
        forget: Remove the key; without one, all: the board then takes every bundle.
        newest_only: Whether bundles that were signed earlier than the newest current one are refused; None leaves it.

    Returns:
        What holds now.

    Raises:
        UsageError: The file is no public key, the key is not there to be removed, or the board has no link.
        LinkError: The board cannot be reached.
    """
    line = signing.allowed_signer(key) if key else None
    link = boards.connect(board)
    if link is None:
        raise UsageError(f"Nothing is deployed to {board!r}.", "name a board that is reached by ssh")
    with link as connected:
        facts = board_facts.read(connected, boards.preferred_python(board))
        preflight.require(facts)
        home = f"{facts.home}/edgecnn"
        listed = before = _lines(connected, f"{home}/{signatures.ALLOWED}")
        if forget:
            listed = [other for other in listed if line is not None and not _is_same(other, line)]
            if line is not None and listed == before:
                raise UsageError(f"{board} does not trust {key}.", "`edgecnn board trust BOARD` lists whom it trusts")
        elif line is not None and not any(_is_same(other, line) for other in listed):
            listed = [*listed, line]
        if listed != before:
            _write(connected, f"{home}/{signatures.ALLOWED}", listed)
        if newest_only is not None:
            _write(connected, f"{home}/{signatures.NEWEST_ONLY}", ["told by `edgecnn board trust`"] * newest_only)
        is_newest_only = connected.run(["test", "-f", f"{home}/{signatures.NEWEST_ONLY}"]).returncode == 0
    return Trust(board=board, signers=tuple(map(_shown, listed)), newest_only=is_newest_only)


def _lines(link: Link, path: str) -> list[str]:
    """Read a file there line by line; empty if there is none."""
    if link.run(["test", "-f", path]).returncode:
        return []
    text = link.fetch(path).decode(errors="replace")
    return [line for line in text.splitlines()[:MOST_SIGNERS] if line.strip()]


def _write(link: Link, path: str, lines: list[str]) -> None:
    """Write a file there, or remove it if there is nothing to stand in it."""
    if lines:
        link.push("".join(f"{line}\n" for line in lines).encode(), path)
    elif (answer := link.run(["rm", "-f", "--", path])).returncode:
        raise unwritten(link.destination, path, answer.returncode, answer.stderr)


def _is_same(line: str, other: str) -> bool:
    """Return whether two lines are about one key; comments do not count."""
    return line.split()[2:4] == other.split()[2:4]


def _shown(line: str) -> str:
    """Return a signer without what is the same for all."""
    kind, key, *comment = [*line.split()[2:], "", ""]
    return replies.plain(f"{kind} ...{key[-12:]} {' '.join(comment)}").rstrip()
