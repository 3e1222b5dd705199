"""The one reader of NumPy's files: numbers alone, within bounds, or one sentence (`edgecnn.common.documents`)."""

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
"""Of an .npz file, and of the arrays in it that are asked for."""
MOST_ARRAYS = 4096
NUMBERS = "biuf"
"""Kinds of dtype that are read: bool, integer, float."""


def read(source: Path | bytes, names: Sequence[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Arrays of numbers of an .npz file, those named or all. Raises Unreadable, Missing for no file."""
    data = documents.content(source, LARGEST_BYTES) if isinstance(source, Path) else source
    with _damage("it is no whole .npz file"), zipfile.ZipFile(io.BytesIO(data)) as archive:
        held = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if len(held) > MOST_ARRAYS:
            raise Unreadable(f"it has more than {MOST_ARRAYS:,} arrays")
        wanted = list(held) if names is None else names
        if missing := [name for name in wanted if name not in held]:
            raise Unreadable(f"it holds no {missing[0]!r}")
        # Before anything is unpacked: a small archive can declare any size.
        if sum(held[name].file_size for name in wanted) > LARGEST_BYTES:
            raise Unreadable(f"its arrays have more than {LARGEST_BYTES:,} bytes")
        return {name: _array(archive.read(held[name]), name) for name in wanted}


def one(path: Path, in_memory: bool = True) -> npt.NDArray[Any]:
    """The array of an .npy file, or a view that reads where it is looked at. Raises Unreadable, Missing for no file."""
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
    """A damaged archive raises anything: zip, zlib, struct, syntax, key, memory and shape errors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(words) from error
