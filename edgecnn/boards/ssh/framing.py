"""Telling what a command on a board printed from what the board's login shell prints around it.

A shell that sshd starts reads the user's own files first, and a ~/.bashrc may print to either stream, before and
after the command. So the command writes a mark before its first byte and after its last one. A mark is drawn anew for
every command, and its two halves stand apart in the command line: a shell that shows the line it runs (`set -x`) does
not show the mark.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

FRAMED = """
mark=$1$2; shift 2
printf %s "$mark"; printf %s "$mark" >&2
"$@"
code=$?
printf %s%d. "$mark" "$code"; printf %s "$mark" >&2
exit "$code"
"""
ANNOUNCED = """
printf %s "$1$2"; shift 2
exec "$@"
"""


_CODE = re.compile(rb"(\d{1,3})\.")


def _half() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Mark:
    """The mark that encloses the output of one command."""

    first: str = field(default_factory=_half)
    second: str = field(default_factory=_half)

    @property
    def text(self) -> bytes:
        """The mark as the board prints it."""
        return f"{self.first}{self.second}".encode()

    def framed(self, argv: Sequence[str]) -> str:
        """Return the command line that runs `argv` between marks, for `answer` and `command_stderr` to read."""
        return shlex.join(["sh", "-c", FRAMED, "sh", self.first, self.second, *argv])

    def announced(self, argv: Sequence[str]) -> str:
        """Return the command line that runs `argv` after one mark on stdout."""
        return shlex.join(["sh", "-c", ANNOUNCED, "sh", self.first, self.second, *argv])

    def answer(self, stdout: bytes) -> tuple[int, bytes] | None:
        """Return (exit code, stdout) of the command; None if it did not begin or did not end."""
        _, _, rest = stdout.partition(self.text)
        body, end, tail = rest.partition(self.text)
        code = _CODE.match(tail)
        return (int(code[1]), body) if end and code else None

    def command_stderr(self, stderr: bytes) -> bytes:
        """Return the command's own stderr; without a mark all of it, for then it is ssh that complains."""
        noise, begin, rest = stderr.partition(self.text)
        return rest.partition(self.text)[0] if begin else noise
