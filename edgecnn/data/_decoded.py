"""Encoded pictures decoded once: in parallel, into a cache that the next load reads.

The cache is keyed by what decides its pixels: the content of every file in order, the size, the number
of channels, the rules of pixels and resizing, the formats that are read, and the versions of Pillow and
of this package. The files are read and hashed on every load. Their times and sizes would be quicker to
look at, but a picture replaced by another of the same size under a kept time (rsync, tar) would go
unseen, and with it the claim that a number belongs to its pictures.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import multiprocessing
import os
import signal
import zlib
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

import numpy as np

import edgecnn
from edgecnn.common import console, documents, files
from edgecnn.common.cache import cache_folder
from edgecnn.data import _kept, _stored
from edgecnn.data._stored import Pixels, Stored
from edgecnn.errors import DataError, EnvironmentUnfit
from edgecnn.onboard import preprocessing
from edgecnn.records.artifact import RESIZE_RULE

T = TypeVar("T")
Shape = tuple[int, int, int]
"""(H, W, C) of one picture."""
CHUNK = 16
"""Pictures a process decodes at a time: few enough that Ctrl-C is not kept waiting by large ones."""
BLOCK_BYTES = 1 << 20


def digests(paths: Sequence[Path]) -> list[str]:
    """The sha256 of every file's content; of one that cannot be read, "" (decoding it will say why)."""
    found = []
    with console.progress("reading pictures", len(paths)) as advance:
        for path in paths:
            try:
                found.append(_digest(path))
            except OSError:
                found.append("")
            advance(1)
    return found


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with files.open_regular(path) as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def images(
    paths: Sequence[Path], contents: Sequence[str], *, shape: Shape, skip_broken: bool
) -> tuple[Pixels | Stored, list[int]]:
    """All pictures, uint8 (N, *shape), and the indices of those that cannot be read.

    contents: the `digests` of the paths. The rows of broken pictures are black. Without `skip_broken`
    the first broken one raises a DataError that names it, and nothing is kept.
    """
    key = _key(contents, shape)
    pixels_path = cache_folder() / "decoded" / f"{key}.npy"
    kept_path = pixels_path.with_suffix(".json")
    cached = _open_cache(pixels_path, kept_path, (len(paths), *shape))
    if cached is None:
        broken: list[int] = []
        with contextlib.closing(_parts(paths, shape, broken, kept_path, skip_broken)) as parts:
            cached = _stored.made(pixels_path, (len(paths), *shape), parts), broken
        console.note(f"decoded {len(paths):,} pictures into {pixels_path}")
    elif cached[1] and not skip_broken:
        preprocessing.decode(paths[cached[1][0]], height=shape[0], width=shape[1], channels=shape[2])
    return cached


def _key(contents: Sequence[str], shape: Shape) -> str:
    import PIL

    versions = [PIL.__version__, edgecnn.__version__]
    height, width, channels = shape
    size = height if height == width else [height, width]
    rules = [RESIZE_RULE, preprocessing.PIXEL_RULE, preprocessing.formats()]
    decided_by = documents.to_json([rules, versions, size, channels, list(contents)], None)
    return hashlib.sha256(decided_by.encode()).hexdigest()[:32]


def _open_cache(pixels_path: Path, kept_path: Path, shape: tuple[int, ...]) -> tuple[Pixels | Stored, list[int]] | None:
    """(pictures, indices of the broken ones); None if they are missing or not what was written: decoded anew."""
    if (kept := _kept.read(kept_path)) is None:
        return None
    found = _stored.opened(pixels_path, shape)
    if found is None or _checksum(found) != kept["pixels_crc32"]:
        return None
    return found, kept["broken"]


def _checksum(images: Pixels | Stored) -> int:
    """crc32 of all pixels, a block of pictures at a time."""
    value, step = 0, max(1, BLOCK_BYTES // max(1, math.prod(images.shape[1:])))
    for start in range(0, len(images), step):
        value = zlib.crc32(np.ascontiguousarray(images[start : start + step]).data, value)
    return value


def _parts(
    paths: Sequence[Path], shape: Shape, broken: list[int], kept_path: Path, skip_broken: bool
) -> Generator[Pixels]:
    """Every picture in order, a chunk at a time; fills `broken`, and keeps it and a checksum at the end.

    The pixels' file appears after that, so that it says both are whole.
    """
    done = checksum = 0
    with (
        contextlib.closing(in_processes(functools.partial(_decode, shape=shape), paths)) as decoded,
        console.progress("decoding pictures", len(paths)) as advance,
    ):
        for pixels, errors in decoded:
            if errors and not skip_broken:
                first = next(iter(errors.values()))
                raise DataError(first.sentence, f"{first.hint}, or set skip_broken = true")
            broken.extend(done + index for index in errors)
            checksum = zlib.crc32(np.ascontiguousarray(pixels).data, checksum)
            yield pixels
            done += len(pixels)
            advance(len(pixels))
    _kept.write(kept_path, {"broken": broken, "pixels_crc32": checksum})


def in_processes(work: Callable[[Sequence[Path]], T], paths: Sequence[Path]) -> Generator[T]:
    """What `work` makes of every CHUNK of the paths, in order, by one process a core.

    Processes, since threads take turns at the interpreter: 10,000 JPEGs of 32 x 32 on two cores took 1.7 s
    in one process, 2.1 s in two threads and 1.1 s in two processes (Pillow 13). Spawned, since a fork of a
    process with PyTorch's threads in it may hang.
    """
    chunks = [paths[i : i + CHUNK] for i in range(0, len(paths), CHUNK)]
    if len(chunks) == 1:
        yield work(paths)
        return
    pool = ProcessPoolExecutor(
        min(len(chunks), os.cpu_count() or 1),
        mp_context=multiprocessing.get_context("spawn"),
        # Ctrl-C reaches every process of the terminal; this one alone answers it.
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        yield from pool.map(work, chunks)
    except BrokenProcessPool as error:
        raise EnvironmentUnfit(
            "A process that decoded pictures died.",
            "either memory ran out, or a script calls edgecnn outside of `if __name__ == '__main__':`",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(paths: Sequence[Path], shape: Shape) -> tuple[Pixels, dict[int, DataError]]:
    """The pictures (N, *shape), and what is wrong with the broken ones by index."""
    height, width, channels = shape
    pixels = np.zeros((len(paths), *shape), dtype=np.uint8)
    errors = {}
    for index, path in enumerate(paths):
        try:
            pixels[index] = preprocessing.decode(path, height=height, width=width, channels=channels)
        except DataError as error:
            errors[index] = error
    return pixels, errors
