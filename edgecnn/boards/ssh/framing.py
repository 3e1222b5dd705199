"""What a command on a board said, told apart from what the board's login shell prints around it.

A shell that sshd starts reads the user's own files first, and a ~/.bashrc may print there, to either
stream, before and after the command. So the command writes a mark before its first and behind its last
byte. A mark is drawn anew for every command, and its two halves stand apart in the command line: a shell
that shows the line it runs (`set -x`) does not show the mark.
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
    """The mark of one command."""

    first: str = field(default_factory=_half)
    second: str = field(default_factory=_half)

    @property
    def text(self) -> bytes:
        """As the board prints it."""
        return f"{self.first}{self.second}".encode()

    def framed(self, argv: Sequence[str]) -> str:
        """The command line that runs `argv` between marks; `answer` and `command_stderr` read what comes of it."""
        return shlex.join(["sh", "-c", FRAMED, "sh", self.first, self.second, *argv])

    def announced(self, argv: Sequence[str]) -> str:
        """The command line that runs `argv` behind one mark on stdout."""
        return shlex.join(["sh", "-c", ANNOUNCED, "sh", self.first, self.second, *argv])

    def answer(self, stdout: bytes) -> tuple[int, bytes] | None:
        """(exit code, stdout) of the command; None if it did not begin, or did not end."""
        _, _, rest = stdout.partition(self.text)
        body, end, tail = rest.partition(self.text)
        code = _CODE.match(tail)
        return (int(code[1]), body) if end and code else None

    def command_stderr(self, stderr: bytes) -> bytes:
        """The command's own stderr; all of it if there is no mark in it, for then ssh itself complains."""
        noise, begin, rest = stderr.partition(self.text)
        return rest.partition(self.text)[0] if begin else noise
