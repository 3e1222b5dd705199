"""Pictures that stay in their file: a .npy file that is written in parts and read by index.

Rows are read, not mapped. A mapped file's pages count as this process's memory while they are resident, and after one
epoch in random order all of them are. A file cut short is then an error too, and no SIGBUS. What it costs, beside a
copy from memory, is in bench/results/large-data.json: 7 µs a picture of 32 x 32 x 3, 2 % of what training on it takes.
"""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgecnn.common import files
from edgecnn.errors import DataError, OutputError

LARGE_BYTES = 1 << 28
"""Pictures that take more than this together stay in their file; fewer, as those of CIFAR-10, are read whole."""

Pixels = npt.NDArray[np.uint8]
Index: TypeAlias = slice | int | np.integer[Any] | npt.NDArray[Any]


class _File:
    """The pictures of a .npy file, uint8 (N, H, W, C), row by row; open as long as anything refers to it.

    So a cache that is cleared under a training takes nothing away from it.
    """

    def __init__(self, path: Path) -> None:
        with files.open_regular(path) as stream:
            if np.lib.format.read_magic(stream) != (1, 0):
                raise ValueError("another version of the format")
            self.shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
            self._start = stream.tell()
            whole = os.fstat(stream.fileno()).st_size == self._start + math.prod(self.shape)
            if fortran or dtype != np.uint8 or len(self.shape) != 4 or not whole:
                raise ValueError("no pictures, or not all of them")
            self._descriptor = os.dup(stream.fileno())
        self._path = path
        weakref.finalize(self, os.close, self._descriptor)

    def __reduce__(self) -> tuple[type[_File], tuple[Path]]:
        """Opened anew where a copy or another process takes it: a descriptor means nothing there."""
        return _File, (self._path,)

    def read(self, rows: npt.NDArray[np.int64]) -> Pixels:
        """The pictures (n, H, W, C) of rows (n,); neighbours are read at once."""
        pixels = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        row_bytes = math.prod(self.shape[1:])
        if pixels.size == 0:
            return pixels
        begins = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1)
        places = (self._start + rows[begins] * row_bytes).tolist()
        bounds = [*(begins * row_bytes).tolist(), pixels.size]
        flat = pixels.reshape(-1).data
        for begin, end, place in zip(bounds[:-1], bounds[1:], places, strict=True):
            self._fill(flat[begin:end], place)
        return pixels

    def _fill(self, part: memoryview, place: int) -> None:
        done = 0
        while done < len(part):  # one call reads 2 GB at most
            count = os.preadv(self._descriptor, [part[done:]], place + done)
            if count == 0:
                raise DataError(f"{self._path} was cut short while it was in use.", "start again; it is made anew")
            done += count


class Stored:
    """Pictures of a file, uint8 (N, H, W, C), all or some; what an index asks for is read into a new array."""

    def __init__(self, file: _File, rows: npt.NDArray[np.int64]) -> None:
        self._file = file
        self._rows = rows  # (N,)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._rows), *self._file.shape[1:])

    def __getitem__(self, index: Index) -> Pixels:
        """One picture (H, W, C) of an integer, (n, H, W, C) of a slice, of integers (n,) or of booleans (N,).

        Raises DataError if the file was cut short since it was opened.
        """
        rows = np.asarray(self._rows[index])
        pixels = self._file.read(np.atleast_1d(rows))
        return pixels if rows.ndim else pixels[0]

    def part(self, indices: npt.NDArray[Any]) -> Stored:
        """Those of the pictures, in that order; nothing is read."""
        return Stored(self._file, self._rows[indices])


def opened(path: Path, shape: tuple[int, ...]) -> Pixels | Stored | None:
    """The pictures of a file that was `made`; None if it is missing, damaged or of another shape."""
    try:
        file = _File(path)
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, RecursionError):
        return None
    if file.shape != shape:
        return None
    whole = Stored(file, np.arange(shape[0]))
    return whole if math.prod(shape) > LARGE_BYTES else whole[:]


def made(path: Path, shape: tuple[int, ...], parts: Iterable[Pixels]) -> Pixels | Stored:
    """Write `path`, and its folder, and open it; one of the parts of uint8 (N, H, W, C) is in memory at a time.

    The file appears when `parts` has come to its end. Raises OutputError where it cannot be written.
    """
    try:
        files.remove_left_behind(files.make_folder(path.parent))
        with files.replacing(path, math.prod(shape)) as temporary, temporary.open("wb") as out:
            np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})
            for pixels in parts:
                # Written, not stored into a mapped file: a full disk is then an error and not a SIGBUS.
                out.write(np.ascontiguousarray(pixels).data)
    except OutputError as error:
        raise OutputError(error.sentence, "make room there, or set XDG_CACHE_HOME to a folder that has some") from error
    found = opened(path, shape)
    if found is None:
        raise DataError(f"{path} was lost as soon as it was written.", "does something else clear the cache?")
    return found
