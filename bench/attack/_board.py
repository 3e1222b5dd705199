"""A board for attacks: a real sshd on 127.0.0.1 with a home of its own, to which small models can be deployed."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

import lent
import small_bundles
import sshd

from edgecnn.boards.ssh import board_facts, link, provision, remote

BOARD = "ssh://board"
NAME = "animals"
RUNS = 5
"""More than the releases that a board keeps: in turns, each is sent and unpacked anew."""


@dataclass
class Target:
    """The board, and runs whose models go there under one name; each is another run's by its weights."""

    board: sshd.Sshd
    runs: tuple[Path, ...]

    @property
    def root(self) -> Path:
        return self.board.home / "edgecnn" / NAME

    def deploy(self, number: int) -> tuple[str, ...]:
        """The words of `edgecnn` that deploy a run."""
        return ("deploy", str(self.runs[number]), "--board", BOARD, "--across-runs")


@contextlib.contextmanager
def target(scratch: Path) -> Iterator[Target]:
    """A board that is up, known to `ssh` in this process and its children as `board`."""
    scratch.mkdir(parents=True, exist_ok=True)
    before = dict(os.environ)
    board = sshd.Sshd(scratch / "board")
    programs = scratch / "programs"
    programs.mkdir()
    (programs / "ssh").write_text(f'#!/bin/sh\nexec {sshd.CLIENT} {shlex.join(board.options)} "$@"\n', encoding="utf-8")
    (programs / "ssh").chmod(0o755)
    board.start()
    os.environ["XDG_CACHE_HOME"] = str(scratch / "cache")
    os.environ["PATH"] = f"{programs}:{os.environ['PATH']}"
    try:
        lent.lend(board, scratch)
        with link.connect(board.destination, board.options) as opened:
            facts = board_facts.read(opened)
        whole = provision.archive_path(facts, remote.packages())
        lean = provision.archive_path(facts, ("numpy", "pillow", "ai-edge-litert"))
        lean.write_bytes(whole.read_bytes())
        yield Target(board, tuple(_run(scratch / f"run-{seed}", seed) for seed in range(1, RUNS + 1)))
    finally:
        board.stop()
        os.environ.clear()
        os.environ.update(before)


def _run(folder: Path, seed: int) -> Path:
    """A run whose int8 file has weights by `seed`."""
    small_bundles.run_folder(folder, [])
    small_bundles.exported(folder / "artifacts", seed=seed, run=NAME, run_sha256=f"{seed:064x}")
    return folder
