"""A verb that opens model files runs in a child: an engine that dies over a file ends in a sentence, not in silence.

The parent waits and does nothing else. It passes on signals that were meant for the command, ends as the child ends,
and says which file was open if an engine brought it down. The child ends when the parent does.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgecnn.errors import EnvironmentUnfit

VERBS = ("bench", "deploy", "doctor", "inspect", "selftest", "verify")
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
OF_A_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
"""It sends them to the child too."""
SI_KERNEL = 128
"""`si_code` of a signal that no process sent (sigaction(2))."""
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS)
PR_SET_PDEATHSIG = 1
SEEN_BYTES = 4096
BROKEN_PIPE = 141
HINTS = {
    signal.SIGKILL: "out of memory, most likely: `dmesg` says; a smaller model, or fewer programs beside it",
    signal.SIGILL: "the runtime was built for another CPU; try another version of it",
}
CRASHED = (
    "the file is damaged, or the runtime has a bug that it meets: fetch or export it again, or try another version"
)


def run(command: Callable[[], None]) -> None:
    """Run `command`, which ends by SystemExit or returns: in a child, if it is one to supervise, and then end with it.

    Nothing heavy may be imported yet: a fork takes no threads along. Raises, in the parent, SystemExit with the child's
    exit code, or EnvironmentUnfit if the child was brought down.
    """
    if not _is_wanted():
        command()
        return
    from edgecnn.onboard import opening  # a command that opens nothing need not wait for it

    sys.stdout.flush()
    sys.stderr.flush()
    seen = mmap.mmap(-1, SEEN_BYTES)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*PASSED_ON, signal.SIGCHLD))
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _end_with(parent)
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        opening.be_watched(seen)
        os._exit(_code(command))  # whoever called us goes on in the parent alone
    status = _wait(child)
    _end_as(status, opening.told(seen), mask)


def _code(command: Callable[[], None]) -> int:
    """The exit code a process would have with this for its program, all of its output written."""
    code: Any = 0
    try:
        command()
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # a reader that has gone, or a stream that was closed for it
        code = code or BROKEN_PIPE
    return code if isinstance(code, int) else int(code is not None)


def _is_wanted() -> bool:
    """Not where stdout is an object of the calling program, which would not see a child's."""
    verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        return verb in VERBS and sys.stdout.fileno() == 1
    except (AttributeError, OSError, ValueError):
        return False


def _wait(child: int) -> int:
    """The child's wait status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a caller that ignores it would take the status away
    while True:
        number, is_from_terminal = _next_signal()
        if number == signal.SIGCHLD:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status
        elif not is_from_terminal:
            os.kill(child, number)


def _next_signal() -> tuple[int, bool]:
    """The next signal, and whether a terminal sent it, to the child as well."""
    signals = {*PASSED_ON, signal.SIGCHLD}
    if sys.platform == "darwin":  # it does not tell who sent one
        number = signal.sigwait(signals)
        return number, number in OF_A_TERMINAL
    told = signal.sigwaitinfo(signals)
    return told.si_signo, told.si_code == SI_KERNEL


def _end_as(status: int, path: str | None, mask: set[signal.Signals | int]) -> None:
    """End as the child did; `path` is what it had open."""
    from edgecnn.onboard import opening

    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        raise SystemExit(code)
    number = signal.Signals(-code) if -code in {member.value for member in signal.Signals} else -code
    if number == signal.SIGPROF and path:
        seconds = opening.allowance_seconds(Path(path))
        raise EnvironmentUnfit(
            f"{path} was open: to read it, or to run it once, took more than {seconds} s of CPU time.",
            f"if you trust the file, set {opening.SECONDS_VARIABLE} to the seconds it may take",
        )
    if number not in (*CRASHES, signal.SIGKILL):
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.kill(os.getpid(), number)
        raise SystemExit(128 + number)
    name = signal.Signals(number).name
    over = f"{path} was open: the process that read it was ended" if path else "The process at work was ended"
    hint = HINTS.get(signal.Signals(number), CRASHED if path else None)
    raise EnvironmentUnfit(f"{over} by {name}.", hint)


def _end_with(parent: int) -> None:
    """The kernel ends this process when its parent does, on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before that
            os._exit(128 + signal.SIGKILL)
