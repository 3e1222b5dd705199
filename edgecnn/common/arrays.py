"""The one reader of NumPy's files.

It reads arrays of numbers within bounds, and refuses anything else in one sentence, as `edgecnn.common.documents` does.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from edgecnn.common import documents
from edgecnn.common.documents import Missing, Unreadable

LARGEST_BYTES = 256 << 20
"""The largest .npz file that is read, and the largest total size of the arrays requested from it."""
MOST_ARRAYS = 4096
"""The most arrays an .npz file may hold."""
NUMBERS = "biuf"
"""Kinds of dtype that are read: bool, integer, float."""


def read(source: Path | bytes, names: Sequence[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of numbers from an .npz file.

    Args:
        source: The file, or its bytes.
        names: The arrays to read; None reads all of them.

    Raises:
        Unreadable: The file is damaged, too large, lacks one of the names or holds something else than numbers.
        Missing: There is no such file.
    """
    data = documents.content(source, LARGEST_BYTES) if isinstance(source, Path) else source
    with _damage("it is no whole .npz file"), zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if len(entries) > MOST_ARRAYS:
            raise Unreadable(f"it has more than {MOST_ARRAYS:,} arrays")
        wanted = list(entries) if names is None else names
        if missing := [name for name in wanted if name not in entries]:
            raise Unreadable(f"it holds no {missing[0]!r}")
        # Before anything is unpacked: a small archive can declare any size.
        if sum(entries[name].file_size for name in wanted) > LARGEST_BYTES:
            raise Unreadable(f"its arrays have more than {LARGEST_BYTES:,} bytes")
        return {name: _array(archive.read(entries[name]), name) for name in wanted}


def read_array(path: Path, in_memory: bool = True) -> npt.NDArray[Any]:
    """Read the array of an .npy file.

    Args:
        path: The file.
        in_memory: Load the whole array; otherwise return a memory map that reads what is indexed.

    Raises:
        Unreadable: The file is damaged or no regular file.
        Missing: There is no such file.
    """
    if not path.is_file():
        raise Unreadable("it is no regular file") if path.exists() else Missing("there is no such file")
    with _damage("it is no whole .npy file"):
        return cast(npt.NDArray[Any], np.load(path, mmap_mode=None if in_memory else "r", allow_pickle=False))


def _array(data: bytes, name: str) -> npt.NDArray[Any]:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if reader is None:
        raise Unreadable(f"{name!r} in it is of an unknown version")
    shape, _, dtype = reader(stream)
    if dtype.kind not in NUMBERS:
        raise Unreadable(f"{name!r} in it holds no numbers")
    if math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise Unreadable(f"{name!r} in it is not as large as it says")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


@contextlib.contextmanager
def _damage(words: str) -> Iterator[None]:
    """Turn whatever a damaged archive raises (zip, zlib, syntax, key, memory errors ...) into `Unreadable(words)`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(words) from error
