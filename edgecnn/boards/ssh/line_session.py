"""A program on a board that stays and answers each line it is sent with a line."""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import IO, TYPE_CHECKING

from edgecnn.boards.ssh.framing import Mark
from edgecnn.boards.ssh.processes import read_text
from edgecnn.common.replies import last_line
from edgecnn.errors import BoardUnfit, LinkError

if TYPE_CHECKING:
    from edgecnn.boards.ssh.link import Link

MOST_ANSWER_BYTES = 1 << 26
MOST_NOISE_BYTES = 1 << 22
"""What a login shell may print before it comes to our command."""
ANSWER_TIMEOUT_S = 1800.0


class LineSession:
    """A running program on the board that answers each line with a line."""

    def __init__(self, link: Link, process: subprocess.Popen[bytes], notes: IO[bytes], mark: Mark) -> None:
        self._link = link
        self._process = process
        self._notes = notes
        self._mark = mark.text
        self._has_begun = False
        self._unread = bytearray()

    def send(self, line: bytes) -> None:
        """Send a line. Raises LinkError if the program is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error

    def receive(self, timeout_s: float = ANSWER_TIMEOUT_S, most_bytes: int = MOST_ANSWER_BYTES) -> bytes:
        """Wait for the next line.

        Raises:
            LinkError: The link is cut, the program ended, or it said nothing in time.
            BoardUnfit: The line is longer than `most_bytes`.
        """
        end = time.monotonic() + timeout_s
        if not self._has_begun:
            self._read_to(self._mark, end, timeout_s, MOST_NOISE_BYTES)  # a login script printed what is before it
            self._has_begun = True
        return self._read_to(b"\n", end, timeout_s, most_bytes)

    def _read_to(self, stop: bytes, end: float, timeout_s: float, most_bytes: int) -> bytes:
        """Read up to `stop`, which is not part of what is returned."""
        assert self._process.stdout is not None
        looked = 0
        while (place := self._unread.find(stop, looked)) < 0:
            if len(self._unread) > most_bytes:
                raise self._link.too_long(most_bytes)
            looked = max(0, len(self._unread) - len(stop))
            if not select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
                raise LinkError(f"The program on {self._link.destination} did not answer within {timeout_s:g} s.")
            block = os.read(self._process.stdout.fileno(), 1 << 16)
            if not block:
                raise self._ended()
            self._unread += block
        said = bytes(self._unread[:place])
        del self._unread[: place + len(stop)]
        return said

    def _ended(self) -> LinkError | BoardUnfit:
        """Explain why the program says nothing more."""
        if os.fstat(self._notes.fileno()).st_size >= MOST_ANSWER_BYTES:
            return self._link.too_long(MOST_ANSWER_BYTES)
        if not self._link.is_open():
            return self._link.cut()
        reason = last_line(read_text(self._notes)) or "it said nothing"
        return LinkError(f"The program on {self._link.destination} ended: {reason}.")
