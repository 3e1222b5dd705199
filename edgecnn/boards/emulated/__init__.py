"""Emulated boards: the core of a Raspberry Pi under Debian, or that of an older PC.

    emulated:pi3, pi4, pi5    a Cortex-A53, A72 or A76 under Debian trixie, as Raspberry Pi OS is today
    emulated:pi4-bookworm     the same under the Debian before it
    emulated:x86-64-v2        SSE4.2 and no AVX
    emulated:x86-64-v3        AVX2, no VNNI and no AVX-512

An emulated board tells what the core computes and, on ARM, how much memory and how many instructions that takes. Its
times are the emulator's, so it is never asked for one.

    tools.py        the programs of this machine that are needed
    debian.py       Debian's packages, unpacked
    image.py        the disk, kernel and keys, made once and kept in the cache
    initramfs.py    the file system that the kernel starts with
    machine.py      one emulated machine: booted, reached, and stopped for sure
    leash.py        ends it when this process ends
    provisioned.py  the disk with the runtimes on it, sent as to any board
    user_mode.py    an x86-64 core without an image: only the worker is emulated

Around a Pi's core are Debian's arm64 packages, a real sshd and a real kernel.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager

from edgecnn.boards import Board
from edgecnn.boards.emulated import image, machine, provisioned, user_mode
from edgecnn.boards.emulated.machine import EmulatedMachine
from edgecnn.boards.ssh import link, remote
from edgecnn.boards.ssh.link import Link
from edgecnn.errors import EnvironmentUnfit, UsageError, nearest
from edgecnn.onboard.job import Job, Outcome
from edgecnn.records.environment import Environment


@contextlib.contextmanager
def open_board(address: str) -> Iterator[EmulatedBoard]:
    """Start the board; an ARM board is booted, and its image is made first if there is none.

    Raises UsageError for an unknown address.
    """
    if address in user_mode.CORES:
        with user_mode.open_core(address) as core:
            yield EmulatedBoard(core, f"emulated {address}")
        return
    with (
        boot(address) as guest,
        remote.open_board(machine.HOST, guest.ssh_options, f"emulated:{address}") as board,
    ):
        yield EmulatedBoard(board, model(address))


def connect(address: str) -> AbstractContextManager[Link] | None:
    """Boot a board and open the bare link to it, for what needs no worker; None for an x86-64 core."""
    return None if address in user_mode.CORES else _connect(address)


@contextlib.contextmanager
def _connect(address: str) -> Iterator[Link]:
    with boot(address) as guest, link.connect(machine.HOST, guest.ssh_options) as connected:
        yield connected


@contextlib.contextmanager
def boot(address: str) -> Iterator[EmulatedMachine]:
    """Boot an ARM board with its packages, fresh from its image; what it writes is gone with it."""
    if address not in machine.BOARDS:
        raise UsageError(
            f"There is no emulated board {address!r}.", nearest(address, (*machine.BOARDS, *user_mode.CORES))
        )
    core, release = machine.BOARDS[address]
    made = image.make(release)
    disk = provisioned.make(made, remote.packages())
    with machine.boot(made, disk, core) as guest:
        yield guest


def model(address: str) -> str:
    """Return what the board is called in reports, so that counts under different releases are not compared.

    The name leaves out bookworm, for its reports were written when there was no other release.
    """
    core, release = machine.BOARDS[address]
    return f"emulated {machine.CPUS[core]} ({core}{'' if release == 'bookworm' else f', {release}'})"


class EmulatedBoard:
    """A `boards.Board` that keeps no time."""

    keeps_time = False

    def __init__(self, board: Board, model: str) -> None:
        self.name = board.name
        self.counts_instructions = board.counts_instructions
        self._board = board
        self._model = model

    def facts(self) -> Environment:
        """Read the board's environment; no device tree names it, so the model says what it is."""
        return dataclasses.replace(self._board.facts(), model=self._model)

    def run(self, job: Job) -> Outcome:
        """Do a job there. Raises EnvironmentUnfit if it asks for a time, or if no instructions can be counted."""
        if job.window or job.end_to_end or (job.survey and job.survey.unit == "ms"):
            raise EnvironmentUnfit("An emulated board has no time of its own, so it cannot tell a latency.")
        outcome = self._board.run(job)
        if (job.count and outcome.count is None) or (job.survey and not outcome.survey):
            raise EnvironmentUnfit("The emulated board counts no instructions.", "edgecnn board make --again")
        if outcome.accuracy:
            outcome = dataclasses.replace(outcome, accuracy=dataclasses.replace(outcome.accuracy, elapsed_s=None))
        return outcome
