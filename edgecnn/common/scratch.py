"""Temporary folders, which the next process removes if their own was killed.

    $TMPDIR/edgecnn-UID/        this user's alone; nobody else may have made it
        PID-XXXXXXXX/           one `folder()`, locked (flock(2)) for as long as its process holds it

The kernel frees a lock when its holder dies. So a folder that is not locked is abandoned, even if a new process has the
number in its name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgecnn.common import files
from edgecnn.errors import OutputError

HINT = "make room there, or set TMPDIR to a folder that has some"


@contextlib.contextmanager
def folder(base: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder, which is removed in the end.

    Args:
        base: The folder to make it in; None is the system's folder for temporary files.

    Raises:
        OutputError: There is no room, or another user has taken its place.
    """
    path, lock = _locked(base)
    try:
        with files.saying_when_full(path):
            yield path
    except OutputError as error:
        if str(path) in error.sentence:
            raise OutputError(error.sentence.replace(f"{path}", f"{path.parent.parent}"), HINT) from error
        raise
    finally:
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):  # other folders are still in it
            path.parent.rmdir()
        os.close(lock)


def _locked(base: Path | None) -> tuple[Path, int]:
    """Make and lock a new folder; return (its path, the descriptor that holds the lock)."""
    try:
        base = base or Path(tempfile.gettempdir())
        while True:
            try:
                home = _home(base)
                _sweep(home)
                path = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=home))
                descriptor = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                if not base.is_dir():
                    raise
                continue  # another process ended just now and removed `home`
            with contextlib.suppress(OSError):  # on a file system without locks nothing is ever swept
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.is_dir():
                return path, descriptor
            os.close(descriptor)  # swept before it was locked
    except OSError as error:
        place = base or "a folder for temporary files"
        raise OutputError(f"Cannot write into {place}: {error.strerror or error}.", HINT) from error


def _home(base: Path) -> Path:
    """Return this user's folder in `base`, making it if need be; nobody else can look into it or have prepared it."""
    path = base / f"edgecnn-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()  # a link is refused, wherever it leads
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise OutputError(f"{path} is not a folder of this user's own.", "remove it, or set TMPDIR to another folder")
    if stat.S_IMODE(status.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def _sweep(home: Path) -> None:
    """Remove the folders that no process holds any more."""
    with contextlib.suppress(OSError):
        for entry in home.iterdir():
            _remove_if_nobodys(entry)


def _remove_if_nobodys(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:  # already removed, or no folder of ours
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # in use, or a file system without locks
        pass
    else:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(descriptor)
