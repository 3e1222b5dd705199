"""A machine behind ssh: `ssh://user@host:port`, `ssh://alias` of ~/.ssh/config, or a name from bench/boards/."""

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
    """`address` is what follows "ssh:", or the name of a named board."""
    one = resolve(address)
    name = address if not address.startswith("//") else f"ssh:{address}"
    with remote.open_board(one.address, name=name, python=one.python) as board:
        yield board


@contextlib.contextmanager
def connect(address: str) -> Iterator[Link]:
    """The bare link, for what needs no worker."""
    with link.connect(resolve(address).address) as one:
        yield one


def resolve(address: str) -> NamedBoard:
    """Where it is: a named board's file, or the address itself."""
    if address in _named.names():
        return _named.read(address)
    return NamedBoard(address=address.removeprefix("//").rstrip("/"))
