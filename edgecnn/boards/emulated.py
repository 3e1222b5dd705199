"""An ARM board emulated here: `emulated:pi3`, `pi4` or `pi5`, a Cortex-A53, A72 or A76 under Debian.

It answers what the core computes, what memory that takes and how many instructions; the time it shows
is the emulator's, so it is asked for none and tells none.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from edgecnn import link, remote
from edgecnn.emulator import image, machine, provisioned
from edgecnn.emulator.machine import Machine
from edgecnn.environment import Environment
from edgecnn.errors import EnvironmentUnfit, UsageError, nearest
from edgecnn.link import Link
from edgecnn.measure import Job, Outcome
from edgecnn.remote import RemoteBoard


@contextlib.contextmanager
def open(address: str) -> Iterator[EmulatedBoard]:
    """Boot the board, making its image first if there is none. Raises UsageError for one that is not known."""
    with (
        boot(address) as guest,
        remote.open(machine.HOST, guest.ssh_options, f"emulated:{address}") as board,
    ):
        yield EmulatedBoard(board, address)


@contextlib.contextmanager
def connect(address: str) -> Iterator[Link]:
    """Boot the board and yield the bare link, for what needs no worker."""
    with boot(address) as guest, link.connect(machine.HOST, guest.ssh_options) as one:
        yield one


@contextlib.contextmanager
def boot(address: str) -> Iterator[Machine]:
    """The board with its packages on it, fresh from its image: what it writes is gone with it."""
    if address not in machine.CPUS:
        raise UsageError(f"There is no emulated board {address!r}.", nearest(address, machine.CPUS))
    made = image.make()
    disk = provisioned.make(made, remote.packages())
    with machine.boot(made, disk, address) as guest:
        yield guest


class EmulatedBoard:
    """A `boards.Board` that keeps no time."""

    keeps_time = False

    def __init__(self, board: RemoteBoard, kind: str) -> None:
        self.name = board.name
        self._board = board
        self._kind = kind

    def facts(self) -> Environment:
        """Of the board; its device tree names no Raspberry Pi, so the model says what it is."""
        return dataclasses.replace(self._board.facts(), model=f"emulated {machine.CPUS[self._kind]} ({self._kind})")

    def run(self, job: Job) -> Outcome:
        """Raises EnvironmentUnfit when a time is asked for, or no instructions can be counted."""
        if job.window or job.end_to_end:
            raise EnvironmentUnfit("An emulated board has no time of its own, so it cannot tell a latency.")
        outcome = self._board.run(job)
        if job.count and outcome.count is None:
            raise EnvironmentUnfit("The emulated board counts no instructions.", "edgecnn board make --again")
        if outcome.accuracy:
            outcome = dataclasses.replace(outcome, accuracy=dataclasses.replace(outcome.accuracy, elapsed_s=None))
        return outcome
