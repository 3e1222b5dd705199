"""Images that stay in their file: a .npy file that is written in parts and read by index.

Rows are read, not memory-mapped. The pages of a mapped file count as this process's memory while they are resident, and
after one epoch in random order all of them are; and a file that was cut short would be a SIGBUS instead of an error.
The cost compared to a copy from memory is in bench/results/large-data.json: 7 µs for an image of 32 x 32 x 3, 2 % of
what it takes to train on it.
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
"""Images that take more than this together stay in their file; smaller sets, such as CIFAR-10, are read into memory."""

Pixels = npt.NDArray[np.uint8]
Index: TypeAlias = slice | int | np.integer[Any] | npt.NDArray[Any]


class _File:
    """The images of a .npy file, uint8 (N, H, W, C), read row by row.

    The file is open as long as anything refers to it, so a cache that is cleared during a training does no harm.
    """

    def __init__(self, path: Path) -> None:
        with files.open_regular(path) as stream:
            if np.lib.format.read_magic(stream) != (1, 0):
                raise ValueError("another version of the format")
            self.shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
            self._start = stream.tell()
            whole = os.fstat(stream.fileno()).st_size == self._start + math.prod(self.shape)
            if fortran or dtype != np.uint8 or len(self.shape) != 4 or not whole:
                raise ValueError("no images, or not all of them")
            self._descriptor = os.dup(stream.fileno())
        self._path = path
        weakref.finalize(self, os.close, self._descriptor)

    def __reduce__(self) -> tuple[type[_File], tuple[Path]]:
        """Copies and other processes open the file again, since a descriptor means nothing to them."""
        return _File, (self._path,)

    def read(self, rows: npt.NDArray[np.int64]) -> Pixels:
        """Read the images (n, H, W, C) at rows (n,), consecutive ones in one call."""
        pixels = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        row_bytes = math.prod(self.shape[1:])
        if pixels.size == 0:
            return pixels
        run_starts = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1)
        offsets = (self._start + rows[run_starts] * row_bytes).tolist()
        bounds = [*(run_starts * row_bytes).tolist(), pixels.size]
        flat = pixels.reshape(-1).data
        for begin, end, offset in zip(bounds[:-1], bounds[1:], offsets, strict=True):
            self._fill(flat[begin:end], offset)
        return pixels

    def _fill(self, part: memoryview, offset: int) -> None:
        """Fill `part` with the bytes of the file from `offset` on."""
        done = 0
        while done < len(part):  # a call reads at most 2 GB
            count = os.preadv(self._descriptor, [part[done:]], offset + done)
            if count == 0:
                raise DataError(f"{self._path} was cut short while it was in use.", "start again; it is made anew")
            done += count


class Stored:
    """All or some images of a file, uint8 (N, H, W, C). Indexing reads images into a new array."""

    def __init__(self, file: _File, rows: npt.NDArray[np.int64]) -> None:
        self._file = file
        self._rows = rows  # (N,)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return (len(self._rows), *self._file.shape[1:])

    def __getitem__(self, index: Index) -> Pixels:
        """Read images.

        Args:
            index: an integer for one image (H, W, C); a slice, integers (n,) or booleans (N,) for (n, H, W, C).

        Raises:
            DataError: the file was cut short after it was opened.
        """
        rows = np.asarray(self._rows[index])
        pixels = self._file.read(np.atleast_1d(rows))
        return pixels if rows.ndim else pixels[0]

    def part(self, indices: npt.NDArray[Any]) -> Stored:
        """Return the images at these indices, in that order, without reading them."""
        return Stored(self._file, self._rows[indices])


def opened(path: Path, shape: tuple[int, ...]) -> Pixels | Stored | None:
    """Return the images of a file that `made` wrote; None if it is missing, damaged or of another shape."""
    try:
        file = _File(path)
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, RecursionError):
        return None
    if file.shape != shape:
        return None
    whole = Stored(file, np.arange(shape[0]))
    return whole if math.prod(shape) > LARGE_BYTES else whole[:]


def made(path: Path, shape: tuple[int, ...], parts: Iterable[Pixels]) -> Pixels | Stored:
    """Write images to `path` part by part, and return them as `opened` does.

    Args:
        path: the file, which appears once all parts are written; its folder is made.
        shape: (N, H, W, C) of all images.
        parts: uint8 (n, H, W, C) each; only one is in memory at a time.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        files.remove_left_behind(files.make_folder(path.parent))
        with files.replacing(path, math.prod(shape)) as temporary, temporary.open("wb") as out:
            np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})
            for pixels in parts:
                # Not written through a memory map, where a full disk is a SIGBUS instead of an error.
                out.write(np.ascontiguousarray(pixels).data)
    except OutputError as error:
        raise OutputError(error.sentence, "make room there, or set XDG_CACHE_HOME to a folder that has some") from error
    images = opened(path, shape)
    if images is None:
        raise DataError(f"{path} was lost as soon as it was written.", "does something else clear the cache?")
    return images
