"""Name the signal that ended a process."""

from __future__ import annotations

import signal


def ending_signal(returncode: int) -> str | None:
    """Name the signal that ended a process, as in "SIGKILL"; None if the process ended by itself.

    Args:
        returncode: As `subprocess` tells it, below zero for a signal; or as a shell does, 128 + the signal's number.
    """
    number = -returncode if returncode < 0 else returncode - 128
    return next((member.name for member in signal.Signals if member.value == number), None)
