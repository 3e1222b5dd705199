"""Run a program that ends when the one who started it does: `python leash.py PARENT-PID PROGRAM ARGUMENT...`.

The kernel kills it the moment its parent is gone, however that ended (prctl(2), PR_SET_PDEATHSIG), which
no handler of ours could promise. Run as a program of its own, because nothing may happen between fork and
exec of a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def command(program: Sequence[str]) -> list[str]:
    """The command that runs `program` on a leash of this very thread."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *program]


def main(arguments: Sequence[str]) -> None:
    parent, *program = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    # Had it died before the line above, its end would never be told.
    if os.getppid() != int(parent):
        sys.exit("the parent is gone")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would be the emulator's, and of use to nobody
    os.execvp(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
