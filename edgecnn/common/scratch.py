"""Folders for what a process needs while it runs: all of a user's in one place, those of the dead swept by the next.

    $TMPDIR/edgecnn-UID/        this user's alone; nobody else may have made it
        PID-XXXXXXXX/           one `folder()`, locked (flock(2)) for as long as its process holds it

The kernel lets go of a lock when its holder dies, however it dies. So what is not locked is nobody's, whichever
process number it names and whoever has that number now.
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
    """Yield an empty folder below `base`, or the system's folder for temporary files; at the end it is gone.

    Raises OutputError if there is no room for one, or somebody else took its place.
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
        with contextlib.suppress(OSError):  # others are in it
            path.parent.rmdir()
        os.close(lock)


def _locked(base: Path | None) -> tuple[Path, int]:
    """(a new folder, the descriptor that locks it)."""
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
                continue  # removed by another process, which ended just now
            with contextlib.suppress(OSError):  # a file system without locks: nothing there is ever swept
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.is_dir():
                return path, descriptor
            os.close(descriptor)  # swept before it was locked
    except OSError as error:
        place = base or "a folder for temporary files"
        raise OutputError(f"Cannot write into {place}: {error.strerror or error}.", HINT) from error


def _home(base: Path) -> Path:
    """This user's folder in `base`, which nobody else can look into or has prepared for us."""
    path = base / f"edgecnn-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()  # a link is what it is, wherever it leads
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise OutputError(f"{path} is not a folder of this user's own.", "remove it, or set TMPDIR to another folder")
    if stat.S_IMODE(status.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def _sweep(home: Path) -> None:
    """Remove what nobody holds any more."""
    with contextlib.suppress(OSError):
        for entry in home.iterdir():
            _remove_if_nobodys(entry)


def _remove_if_nobodys(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:  # gone, or no folder of ours
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or no locks here
        pass
    else:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(descriptor)
