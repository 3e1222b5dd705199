"""Commands that open model files run in a child process, so that a crashing runtime still ends in a clear message.

The parent only waits: it forwards signals meant for the command, exits the way the child exits, and names the open
model file if the runtime crashed. The child ends when the parent does.
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

VERBS = ("bench", "deploy", "doctor", "eval", "inspect", "predict", "selftest", "verify")
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
OF_A_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
"""Signals that a terminal sends to the whole process group, and so to the child too."""
SI_KERNEL = 128
"""`si_code` of a signal that the kernel sent, not a process (sigaction(2))."""
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
    """Run `command`, in a supervised child process if the verb opens model files.

    Nothing heavy may be imported yet: threads do not survive the fork.

    Raises:
        SystemExit: in the parent, with the child's exit code.
        EnvironmentUnfit: in the parent, if the child crashed or was killed.
    """
    if not _is_wanted():
        command()
        return
    from edgecnn.onboard import opening  # imported here: unsupervised commands do without it

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
        os._exit(_code(command))  # only the parent may return to our caller
    status = _wait(child)
    _end_as(status, opening.told(seen), mask)


def _code(command: Callable[[], None]) -> int:
    """Run `command`, flush its output, and return the exit code a process running only it would have."""
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
    except (OSError, ValueError):  # the reader has gone, or the stream was closed because of that
        code = code or BROKEN_PIPE
    return code if isinstance(code, int) else int(code is not None)


def _is_wanted() -> bool:
    """Return whether to supervise: not if the caller replaced sys.stdout, which a child's output would not reach."""
    verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        return verb in VERBS and sys.stdout.fileno() == 1
    except (AttributeError, OSError, ValueError):
        return False


def _wait(child: int) -> int:
    """Wait for the child, forwarding signals to it; return its wait status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if it were ignored, the status would be lost
    while True:
        signal_number, is_from_terminal = _next_signal()
        if signal_number == signal.SIGCHLD:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status
        elif not is_from_terminal:
            os.kill(child, signal_number)


def _next_signal() -> tuple[int, bool]:
    """Return the next signal, and whether a terminal sent it, which then reached the child as well."""
    signals = {*PASSED_ON, signal.SIGCHLD}
    if sys.platform == "darwin":  # macOS does not say who sent a signal
        signal_number = signal.sigwait(signals)
        return signal_number, signal_number in OF_A_TERMINAL
    info = signal.sigwaitinfo(signals)
    return info.si_signo, info.si_code == SI_KERNEL


def _end_as(status: int, path: str | None, mask: set[signal.Signals | int]) -> None:
    """Exit, or raise, as the child ended; `path` is the model file it had open."""
    from edgecnn.onboard import opening

    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        raise SystemExit(code)
    signal_number = signal.Signals(-code) if -code in {member.value for member in signal.Signals} else -code
    if signal_number == signal.SIGPROF and path:
        seconds = opening.allowance_seconds(Path(path))
        raise EnvironmentUnfit(
            f"{path} was open: to read it, or to run it once, took more than {seconds} s of CPU time.",
            f"if you trust the file, set {opening.SECONDS_VARIABLE} to the seconds it may take",
        )
    if signal_number not in (*CRASHES, signal.SIGKILL):
        signal.signal(signal_number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.kill(os.getpid(), signal_number)
        raise SystemExit(128 + signal_number)
    name = signal.Signals(signal_number).name
    sentence = f"{path} was open: the process that read it was ended" if path else "The process at work was ended"
    hint = HINTS.get(signal.Signals(signal_number), CRASHED if path else None)
    raise EnvironmentUnfit(f"{sentence} by {name}.", hint)


def _end_with(parent: int) -> None:
    """Make the kernel kill this process when its parent ends; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # the parent ended before prctl took effect
            os._exit(128 + signal.SIGKILL)
