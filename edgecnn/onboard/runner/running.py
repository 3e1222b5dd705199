"""A server that goes on with the release that a deployment made current.

ROOT/serving/<pid>      the release that this process answers with; locked for as long as it does

Told by SIGHUP, the server tries the current release, finishes what it has accepted and becomes the new release's own
program (exec), which goes on with the same socket: no program reads another release's files, and no client is refused.
A release that does not answer is refused, and the server stays as it is. The kernel frees a lock when its holder dies,
so a process id that is used again belongs to no server. `edgecnn.onboard.releases` is the other side of this.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn

from edgecnn.common import documents
from edgecnn.common.escapes import say
from edgecnn.onboard.runner import contents
from edgecnn.onboard.runner.serve import Next

SERVING = "serving"
HANDED_OVER = 3
"""The first file descriptor of a socket that was handed over (sd_listen_fds(3))."""
OWN_SOURCE = "runner/running.py"
"""The end of this file's path, which a runner contains if it goes on with a socket that it is handed."""
TRIAL_TIMEOUT_S = 300.0


@dataclass
class Registration:
    """The registration of this process as a server of one release."""

    root: Path
    release: str
    had_terminal: bool = field(default_factory=lambda: _has_terminal() and not _ignores_hangup())
    _file: IO[str] | None = None
    _next: Path | None = None

    def hear(self) -> Next:
        """Decide what to do about a SIGHUP: try the current release, or end with the terminal."""
        if self.had_terminal and not _has_terminal():
            return "end"
        following = (self.root / "current").resolve()
        reason = _trial(following)
        if reason is None:
            self._next = following
            return "hand over"
        say(f"warning: stays with {self.release}, for {following.name} {reason}", file=sys.stderr, flush=True)
        self._write(f"{self.release}\n{following.name} {reason}\n")
        return "stay"

    def become(self, listening: socket.socket) -> NoReturn:
        """Become the program of the release that `hear` has tried."""
        assert self._next is not None
        _block_hangup()  # the next program hears it when it is ready
        if not self.had_terminal:
            signal.signal(
                signal.SIGHUP, signal.SIG_IGN
            )  # as under `nohup`, for the next program has no terminal either
        if _takes_a_socket(self._next):
            os.dup2(listening.fileno(), HANDED_OVER)
            os.set_inheritable(HANDED_OVER, True)
            os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
        run = str(self._next / "run")
        os.execv(run, [run, *sys.argv[1:]])

    def _write(self, text: str) -> None:
        if self._file:
            with contextlib.suppress(OSError):
                self._file.seek(0)
                self._file.truncate()
                self._file.write(text)
                self._file.flush()


@contextlib.contextmanager
def registered(folder: Path) -> Iterator[Registration | None]:
    """Register this process as a server of the release in `folder`; None for a bundle that is not a release.

    SIGHUP is held back until `serve` hears it. Where nothing can be written, as under the systemd unit, the server is
    not registered: systemd restarts it.
    """
    root = folder.parent.parent
    if folder.parent.name != "releases" or not (root / "current").is_symlink():
        yield None
        return
    _block_hangup()
    registration = Registration(root, folder.name)
    path = root / SERVING / str(os.getpid())
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        registration._file = _locked(path)
        registration._write(f"{folder.name}\n")
    try:
        yield registration
    finally:
        if registration._file:
            with contextlib.suppress(OSError):
                path.unlink()
            registration._file.close()


def handed_over() -> socket.socket | None:
    """Return the socket that the starter of this process has opened for it, if any (sd_listen_fds(3))."""
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    if (pid, count) != (str(os.getpid()), "1"):
        return None
    try:
        listening = socket.socket(fileno=HANDED_OVER)
    except OSError:
        return None
    listening.set_inheritable(False)
    return listening


def _locked(path: Path) -> IO[str]:
    """Make and lock a file; one that is removed before it is locked is made again."""
    while True:
        stream = path.open("a+", encoding="utf-8")
        fcntl.flock(stream, fcntl.LOCK_EX)  # `serving` holds it for an instant, to see if anybody does
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                return stream
        stream.close()


def _trial(release: Path) -> str | None:
    """Say why a release is not fit to take over; None if its selftest passes."""
    try:
        done = subprocess.run(
            [release / "run", "selftest", "--json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRIAL_TIMEOUT_S,
            check=False,
        )
        verdict = documents.table(done.stdout)["verdict"]
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"cannot be tried: {error}"
    except (ValueError, KeyError, TypeError):
        return f"fails its selftest with exit code {done.returncode}"
    return None if verdict in ("identical", "within") else "answers differently from where it was exported"


def _takes_a_socket(release: Path) -> bool:
    """Return whether a release's runner goes on with a socket that it is handed; an older one opens its port itself."""
    try:
        with zipfile.ZipFile(release / contents.PROGRAM) as program:
            return any(name.endswith(OWN_SOURCE) for name in program.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _ignores_hangup() -> bool:
    """Return whether `nohup` started this process."""
    return signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def _block_hangup() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
