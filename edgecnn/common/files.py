"""Atomic writing: a reader sees the old file or the new one, never a part."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from edgecnn.common import documents
from edgecnn.errors import EdgecnnError, OutputError, UsageError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error codes for no room: on the disk, in the user's quota, in one file."""
ROOM = "make room there, or choose another place with --output"
SHOWN = 60
"""Characters of a name that is too long that are shown."""
PROBE_BYTES = 1 << 20
"""How many bytes are written to find out whether a disk is full."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first date that a zip archive can hold."""
LEFT_BEHIND = re.compile(r"\.(.+)\.[a-z0-9_]{8}(\.\w+)?")
"""How `replacing` names its temporary files: .NAME, eight characters by tempfile, and the suffix again."""


def make_folder(folder: Path) -> Path:
    """Create a folder with its parents.

    Raises:
        OutputError: It cannot be created or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"Cannot write into {folder}.", "choose another folder with --output")
    return folder


def require_writable(path: Path) -> None:
    """Check that a file or folder can be made or replaced at `path`, and make nothing.

    Raises:
        OutputError: A file stands in the way, or the folder takes none.
    """
    place = next((place for place in (path, *path.absolute().parents) if os.path.lexists(place)), path)
    if place != path and not place.is_dir():
        raise OutputError(f"Cannot write {path}: {place} is no folder.", "choose another place with --output")
    folder = place if place.is_dir() else place.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"Cannot write {path}: {folder} takes no files.", "choose another place with --output")


@contextlib.contextmanager
def replacing(path: Path, size: int = 0) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces `path` on success and is removed on any error.

    The data reaches the disk before the name does, so a power cut leaves the old file whole. Temporary files that
    killed processes left behind are removed by the next writer of the same file.

    Args:
        path: The file to write.
        size: Bytes to reserve, if known, so that a full disk is noticed before anything is written.

    Raises:
        OutputError: The file cannot be written, even if a library raised something else when the disk was full.
    """
    try:
        temporary, handle = _begun(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        if size and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle, 0, size)
        try:
            yield temporary
        except EdgecnnError:
            raise
        except Exception as error:
            if not getattr(error, "errno", None) and (refusal := _refusal(path.parent)):
                raise refusal from error
            raise
        os.chmod(temporary, 0o666 & ~_umask())
        flush(temporary)
        os.replace(temporary, path)
        flush(path.parent)
    except OSError as error:
        raise _unwritable(path, error, size, os.fstat(handle).st_blocks * 512) from error
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


@contextlib.contextmanager
def saying_when_full(folder: Path) -> Iterator[None]:
    """Raise OutputError in place of any exception of the block if `folder` takes no more data.

    Libraries report a full disk with exceptions of their own, or with an OSError that does not say why.
    """
    try:
        yield
    except EdgecnnError:
        raise
    except Exception as error:
        if refusal := _refusal(folder):
            raise _unwritable(folder, refusal) from error
        raise


def of_the_file_system(error: BaseException) -> EdgecnnError | None:
    """Return the error to show if the file system caused this exception or one in its chain; otherwise None.

    It has no room, or it takes no name of that length.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            place = os.fsdecode(cause.filename) if isinstance(cause.filename, str | bytes) else ""
            if cause.errno in FULL:
                return OutputError(f"Cannot write{f' {place}' if place else ''}: {os.strerror(cause.errno)}.", ROOM)
            if cause.errno == errno.ENAMETOOLONG:
                size = max((len(os.fsencode(part)) for part in place.split("/")), default=0)
                words = f"{place[:SHOWN]}..." if len(place) > SHOWN else place
                return UsageError(f"No file has a name this long: {words}", f"{size} bytes; most systems take 255")
        cause = cause.__cause__ or cause.__context__
    return None


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading, following links; a pipe or device is an OSError, not a wait."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "it is a pipe or a device, and no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def write_bytes(path: Path, data: bytes) -> None:
    with replacing(path, len(data)) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, atomically.

    Raises:
        OutputError: The file cannot be written, or a number is NaN or infinite.
    """
    write_text(path, documents.to_file(value, path))


def reproducible_zip(
    target: Path | IO[bytes], entries: Iterable[tuple[str, bytes]], *, compressed: bool = True
) -> None:
    """Write a zip archive whose bytes depend on nothing but its entries: no date, no owner, no mode.

    Args:
        target: Where to write it.
        entries: (name inside, content) of each file, in the order in which they are to stand.
        compressed: Whether entries are deflated; False for what is small already.
    """
    import zipfile  # not before it is needed: a worker on a board writes none

    with zipfile.ZipFile(target, "w") as archive:
        for name, data in entries:
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            archive.writestr(entry, data)


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def flush(path: Path) -> None:
    """Force a file's data, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_left_behind(folder: Path, name: str = "*") -> None:
    """Remove temporary files that killed processes left of the file `name`, or of any file for "*"."""
    suffix = Path(name).suffix if name != "*" else ""
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            match = LEFT_BEHIND.fullmatch(entry.name)
            if match and (name == "*" or (match[1] == name and entry.suffix == suffix)):
                _remove_if_nobodys(entry)


def _begun(path: Path) -> tuple[Path, int]:
    """Create and lock a temporary file beside `path`; return (its path, its descriptor)."""
    remove_left_behind(path.parent, path.name)
    while True:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        with contextlib.suppress(OSError):  # a file system without locks: nothing there is ever removed
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.lexists(name):
            return Path(name), descriptor
        os.close(descriptor)  # removed by another process before it was locked


def _remove_if_nobodys(path: Path) -> None:
    with contextlib.suppress(OSError), open_regular(path) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


def _refusal(folder: Path) -> OSError | None:
    """Write a probe into `folder` and return the OSError if it is full; None if it takes the data."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(PROBE_BYTES))
    except OSError as error:
        return error if error.errno in FULL else None
    return None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unwritable(path: Path, error: OSError, size: int = 0, written: int = 0) -> OutputError:
    """Return the error to raise; `size` bytes are needed (0: not known), `written` will be freed again."""
    reason = error.strerror or str(error)
    if error.errno not in FULL:
        return OutputError(f"Cannot write {path}: {reason}.", "choose another place with --output")
    room = ""
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(path if path.is_dir() else path.parent).free + written
        need = f"it needs {size / 1e3:,.0f} kB, and " if size else ""
        room = f", {need}{free / 1e3:,.0f} kB are free" if error.errno == errno.ENOSPC else ""
    return OutputError(f"Cannot write {path}: {reason}{room}.", ROOM)
