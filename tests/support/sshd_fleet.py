"""Several real sshds as a group of boards, each with a home of its own; they are called pi-1, pi-2 and so on."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import lent
import pytest
import sshd
from sshd import Sshd

from edgecnn.boards.ssh import board_facts, link, provision, remote

LEAN = ("numpy", "pillow", "ai-edge-litert")
PATIENCE_S = 120


class SshdFleet:
    """The boards by their names, and this machine's settings for them."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.names = tuple(f"pi-{number}" for number in range(1, count + 1))
        self.boards = {name: Sshd(folder / name) for name in self.names}
        self.config = folder / "config" / "edgecnn" / "boards"
        self.config.mkdir(parents=True)

    def __getitem__(self, name: str) -> Sshd:
        return self.boards[name]

    def group(self, name: str, boards: Sequence[str]) -> str:
        """Write a group's file; returns its name."""
        (self.config / f"@{name}.toml").write_text(f"boards = {list(boards)}\n")
        return f"@{name}"

    def current(self, board: str, model: str) -> str | None:
        """The release that is current there; None without one."""
        place = self[board].home / "edgecnn" / model / "current"
        return place.readlink().name if place.is_symlink() else None

    def command(self, *words: str | Path) -> list[str]:
        return [sys.executable, "-m", "edgecnn", *map(str, words)]

    def edgecnn(self, *words: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        return subprocess.run(
            self.command(*words), cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )


@contextlib.contextmanager
def running(folder: Path, count: int) -> Iterator[SshdFleet]:
    """Start the boards, which borrow this machine's packages, and end them."""
    fleet = SshdFleet(folder, count)
    programs = folder / "programs"
    programs.mkdir()
    hosts = []
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        for name, board in fleet.boards.items():
            (fleet.config / f"{name}.toml").write_text(f'address = "{name}"\n')
            hosts.append((board.folder / "client").read_text().replace("Host board", f"Host {name}", 1))
            board.start()
            stack.callback(board.stop)
            lent.lend(board, folder)
        with link.connect("board", fleet["pi-1"].options) as opened:
            facts = board_facts.read(opened)
        lean = provision.archive_path(facts, LEAN)
        lean.write_bytes(provision.archive_path(facts, remote.packages()).read_bytes())
        (folder / "hosts").write_text("\n".join(hosts))
        wrapper = programs / "ssh"
        wrapper.write_text(f'#!/bin/sh\nexec {sshd.CLIENT} -F {shlex.quote(str(folder / "hosts"))} "$@"\n')
        wrapper.chmod(0o755)
        patch.setenv("PATH", str(programs), prepend=os.pathsep)
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        yield fleet
