"""One at a time: a lock on a file, that says who holds it.

The kernel frees a lock when its holder dies, so none is ever stale; a lock file that a killed process left is nobody's.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from edgecnn.common import documents
from edgecnn.errors import OutputError, RunError


@contextlib.contextmanager
def held(path: Path, what: str, *, shared: bool = False) -> Iterator[int]:
    """Hold the lock file `path` and yield its descriptor; the file is gone in the end.

    Args:
        path: the lock file, in a folder that exists.
        what: what its holder does, for whoever comes second: "training", "export".
        shared: hold it beside others that share it. Where no file can be written, nothing needs to be held.

    Raises:
        RunError: somebody else holds it; the sentence says who.
        OutputError: the file cannot be made.
    """
    try:
        descriptor = _acquired(path, what, shared)
    except OSError as error:
        if not shared:
            raise OutputError(f"Cannot lock {path.parent}: {error.strerror or error}.") from error
        yield -1
        return
    try:
        yield descriptor
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while others share it: theirs to remove
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquired(path: Path, what: str, shared: bool) -> int:
    """A descriptor of the locked file at `path`."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            if _is_still(descriptor, path):
                with contextlib.suppress(OSError):  # on a full disk it holds all the same, and does not say who
                    os.truncate(descriptor, 0)
                    os.pwrite(descriptor, documents.to_json(_me(what), None).encode(), 0)
                return descriptor
        except BlockingIOError as error:
            refusal = _refusal(descriptor, what, path.parent)
            os.close(descriptor)
            raise RunError(refusal, "wait for its end, or choose another --name or --output") from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its last holder has removed it since we opened it


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _me(what: str) -> dict[str, str | int]:
    return {
        "what": what,
        "command": shlex.join(["edgecnn", *sys.argv[1:]]),
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _refusal(descriptor: int, what: str, folder: Path) -> str:
    """Who holds it, as it said itself; one that has not written yet is taken for another of our kind."""
    try:
        me = documents.table(os.pread(descriptor, 1 << 16, 0))
        holder, words = str(me["what"]), f": `{me['command']}`, process {me['pid']} on {me['host']} since {me['since']}"
    except (OSError, ValueError, TypeError, KeyError):
        holder, words = what, ""
    article = "Another" if holder == what else "An" if holder[:1] in "aeiou" else "A"
    return f"{article} {holder} is at work in {folder}{words}."
