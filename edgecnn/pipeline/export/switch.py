"""Atomic replacement of a folder: readers see all of the old content or all of the new, even after a kill."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from edgecnn.common import files
from edgecnn.errors import OutputError

AT_FDCWD = -100
RENAME_EXCHANGE = 2
"""Flag of renameat2(2), Linux 3.15."""
RENAME_SWAP = 2
"""Flag of macOS's renamex_np(2)."""
LEFT_BEHIND = re.compile(r"\.staging|\..+(\.\w+)\.[a-z0-9_]{8}\1")
"""Temporary files of killed processes, which are not carried over."""


@contextlib.contextmanager
def renewed(folder: Path) -> Iterator[Path]:
    """Yield an empty folder whose content joins that of `folder` in one step, replacing files of equal name.

    Nothing changes if the block raises. The caller must ensure that nobody else renews `folder` at the same time.

    Raises:
        OutputError: The new content cannot be written.
    """
    folder = folder.resolve()  # a link stays, and its target is replaced
    staging, aside = _sibling(folder, "new"), _sibling(folder, "old")
    shutil.rmtree(staging, ignore_errors=True)  # left by a killed process
    if aside.is_dir() and not folder.exists():
        aside.rename(folder)
    files.make_folder(folder)
    files.make_folder(staging)
    try:
        with files.saying_when_full(staging):
            yield staging
        try:
            _put_in_place(staging, folder)
        except OSError as error:
            raise OutputError(
                f"Cannot write {folder}: {error.strerror or error}.", "is there room, and is it yours to write?"
            ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)  # holds the old content by now


def _put_in_place(staging: Path, folder: Path) -> None:
    written = {path.name for path in staging.iterdir()}
    for path in sorted(folder.iterdir()):
        if path.name not in written and not LEFT_BEHIND.fullmatch(path.name):
            _carry(path, staging / path.name)
    for path in (*staging.rglob("*"), staging):
        if not path.is_symlink():
            files.flush(path)
    if not _swapped(staging, folder):  # the folder is gone for a moment, and `renewed` brings it back after a kill
        aside = _sibling(folder, "old")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        staging.rename(folder)
        aside.rename(staging)
    files.flush(folder.parent)


def _sibling(folder: Path, mark: str) -> Path:
    return folder.with_name(f".{folder.name}.{mark}")


def _carry(path: Path, target: Path) -> None:
    """Carry over what is not replaced: as hard links where the file system allows, otherwise as copies."""
    if path.is_dir() and not path.is_symlink():
        shutil.copytree(path, target, symlinks=True, copy_function=_link)
    else:
        _link(str(path), str(target))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # FAT and some network file systems have no links
        shutil.copy2(source, target, follow_symlinks=False)


def _swapped(a: Path, b: Path) -> bool:
    """Swap the names of two folders in one step; return False if the system cannot."""
    library = ctypes.CDLL(None)
    names = os.fsencode(a), os.fsencode(b)
    with contextlib.suppress(AttributeError):  # a C library without the call
        if sys.platform == "darwin":
            return bool(library.renamex_np(*names, RENAME_SWAP) == 0)
        return bool(library.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0)
    return False
