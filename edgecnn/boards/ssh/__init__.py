"""A machine behind ssh: `ssh://user@host:port`, `ssh://alias` of ~/.ssh/config, or a board that a file names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edgecnn.boards import _named
from edgecnn.boards._named import NamedBoard
from edgecnn.boards.ssh import link, remote
from edgecnn.boards.ssh.link import Link
from edgecnn.boards.ssh.remote import RemoteBoard


@contextlib.contextmanager
def open_board(address: str) -> Iterator[RemoteBoard]:
    """Reach a board; `address` is what follows "ssh:", or the name of a board that has a file."""
    described = resolve(address)
    name = address if not address.startswith("//") else f"ssh:{address}"
    with remote.open_board(described.address, name=name, python=described.python) as board:
        yield board


@contextlib.contextmanager
def connect(address: str) -> Iterator[Link]:
    """Open the bare link, for what needs no worker there."""
    with link.connect(resolve(address).address) as connected:
        yield connected


def resolve(address: str) -> NamedBoard:
    """Return what is known of a board: what its file says, or just the address."""
    if address in _named.names():
        return _named.read(address)
    return NamedBoard(address=address.removeprefix("//").rstrip("/"))
