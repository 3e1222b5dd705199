"""A program that runs another one, which ends when its parent does: `python leash.py PARENT-PID PROGRAM ARGUMENT...`.

The kernel kills it the moment its parent is gone, however that ended (prctl(2), PR_SET_PDEATHSIG), which no handler
here could promise. It is a program of its own, because nothing may happen between fork and exec in a process with
threads.
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
    """Return the command that runs `program` until this thread ends."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *program]


def main(arguments: Sequence[str]) -> None:
    """Become the program, if the parent still lives."""
    parent, *program = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    # If the parent died before the line above, the kernel never tells.
    if os.getppid() != int(parent):
        sys.exit("the parent is gone")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would be the emulator's
    os.execvp(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
