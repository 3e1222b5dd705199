"""Lock files that say who holds them.

The kernel frees a lock when its holder dies, so a lock file left by a killed process blocks nobody.
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
def held(path: Path, activity: str, *, shared: bool = False) -> Iterator[int]:
    """Hold the lock file `path` during the block, yield its descriptor, and remove the file afterwards.

    Args:
        path: The lock file, in a folder that exists.
        activity: What the holder does, such as "training", for the error that others get.
        shared: Share the lock with other sharers. Yields -1, unlocked, where no file can be written.

    Raises:
        RunError: Another process holds it; the sentence says who.
        OutputError: The file cannot be made.
    """
    try:
        descriptor = _acquired(path, activity, shared)
    except OSError as error:
        if not shared:
            raise OutputError(f"Cannot lock {path.parent}: {error.strerror or error}.") from error
        yield -1
        return
    try:
        yield descriptor
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(
                descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB
            )  # fails while others share it: the last one removes it
            path.unlink(missing_ok=True)
        os.close(descriptor)


@contextlib.contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Wait for the lock file `path`, and hold it during the block: of several processes one is at work."""
    with path.open("w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _acquired(path: Path, activity: str, shared: bool) -> int:
    """Lock the file at `path` and return its descriptor."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            if _is_still(descriptor, path):
                with contextlib.suppress(OSError):  # on a full disk the lock holds, but does not say by whom
                    os.truncate(descriptor, 0)
                    os.pwrite(descriptor, documents.to_json(_me(activity), None).encode(), 0)
                return descriptor
        except BlockingIOError as error:
            refusal = _refusal(descriptor, activity, path.parent)
            os.close(descriptor)
            raise RunError(refusal, "wait for its end, or choose another --name or --output") from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its last holder removed the file after we opened it


def _is_still(descriptor: int, path: Path) -> bool:
    """Return whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _me(activity: str) -> dict[str, str | int]:
    return {
        "what": activity,
        "command": shlex.join(["edgecnn", *sys.argv[1:]]),
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _refusal(descriptor: int, activity: str, folder: Path) -> str:
    """Return the sentence that says who holds the lock, as its holder wrote it, if it has already."""
    try:
        owner = documents.table(os.pread(descriptor, 1 << 16, 0))
        holder, words = (
            str(owner["what"]),
            f": `{owner['command']}`, process {owner['pid']} on {owner['host']} since {owner['since']}",
        )
    except (OSError, ValueError, TypeError, KeyError):
        holder, words = activity, ""
    article = "Another" if holder == activity else "An" if holder[:1] in "aeiou" else "A"
    return f"{article} {holder} is at work in {folder}{words}."
