"""The members of a tar archive by where their bytes lie, so that nothing is ever unpacked.

The archive is foreign. Its headers are read by the standard library's `tarfile` through a view of the file that only
goes forward, in small steps: so a header that leads back, or that claims a name of many gigabytes, ends the reading.
"""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edgecnn.common import console, files, magic
from edgecnn.errors import DataError, first_line

LARGEST_HEADER = 1 << 13
"""The most bytes of a member's header, with a long name and other notes; `tarfile` searches them in quadratic time."""
MOST_MEMBERS = 10_000_000
HINT = "make it again, as `tar --sort=name -cf` does"
FILE, FOLDER, LINK, SPARSE, SPECIAL = "file", "folder", "link", "file with holes", "pipe or device"


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file in an archive."""

    name: str
    start: int
    size_bytes: int


class _Forward(io.RawIOBase):
    """A file that is read from its beginning to its end, with bounded reads, and never goes back."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= LARGEST_HEADER:
            raise tarfile.ReadError("a header is too large")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < self.tell() - 1:
            raise tarfile.ReadError("a header leads back")
        return self._stream.seek(offset)


def members(archive: Path, left_out: Counter[str]) -> Iterator[Member]:
    """Yield the regular files of an archive in order; folders are passed over, and what else there is is counted.

    Args:
        archive: A tar archive that is not packed.
        left_out: Takes how many links, devices and files with holes there are.

    Raises:
        DataError: It is no tar archive, is packed, cut short or contradicts itself.
    """
    try:
        with files.open_regular(archive) as stream:
            size = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            with closing(tarfile.TarFile(fileobj=_Forward(stream), errorlevel=2)) as opened:
                for info in _infos(opened):
                    kind = _kind(info)
                    if info.size < 0 or (kind == FILE and info.offset_data + info.size > size):
                        raise tarfile.ReadError(f"{info.name!r} ends behind it")
                    if kind == FILE:
                        yield Member(info.name, info.offset_data, info.size)
                    elif kind != FOLDER:
                        left_out[kind] += 1
                _require_end(archive, stream, opened.offset)
    except (OSError, tarfile.TarError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise DataError(f"{archive} cannot be read: {_reason(archive, error)}.", HINT) from error


def _require_end(archive: Path, stream: BinaryIO, offset: int) -> None:
    """Raise ReadError if what ended the reading is a damaged header, which `tarfile` takes for the end."""
    stream.seek(offset)
    block = stream.read(tarfile.BLOCKSIZE)
    if block.strip(b"\0"):
        raise tarfile.ReadError(f"the header at byte {offset:,} is damaged")
    if not block:
        console.warn(f"{archive} has no mark at its end: was it cut short?")


def _infos(opened: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield all headers, and keep none of them in memory."""
    number = 0
    while (info := opened.next()) is not None:
        yield info
        opened.members = []  # type: ignore[attr-defined]
        if (number := number + 1) > MOST_MEMBERS:
            raise tarfile.ReadError(f"it has more than {MOST_MEMBERS:,} members")


def _kind(info: tarfile.TarInfo) -> str:
    if info.isdir():
        return FOLDER
    if info.issym() or info.islnk():
        return LINK
    if info.issparse():
        return SPARSE
    return FILE if info.isreg() else SPECIAL


def _reason(archive: Path, error: BaseException) -> str:
    """Say why an archive cannot be read: what else it is, or what is wrong in it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    words = magic.words(archive)
    if words != "a tar archive":
        return f"it is {words}"
    return first_line(error) if isinstance(error, Exception) else type(error).__name__
