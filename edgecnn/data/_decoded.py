"""Decode encoded images once, in parallel, into a cache that the next load reads.

The cache is keyed by everything that decides its pixels: the content of every image in order, the size, the number of
channels, the rules for pixels and resizing, the formats that are read, and the versions of Pillow and of this package.
The images are read and hashed on every load. To compare the files' times and sizes would be faster, but would miss
an image that is replaced by another of the same size and time (as rsync and tar do), and results would not belong to
the images that they name.
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
from edgecnn.common import console, documents
from edgecnn.common.cache import cache_folder
from edgecnn.data import _kept, _pictures, _stored
from edgecnn.data._pictures import Picture
from edgecnn.data._stored import Pixels, Stored
from edgecnn.errors import DataError, EnvironmentUnfit
from edgecnn.onboard import preprocessing
from edgecnn.records.resizing import CROP, Resizing

S = TypeVar("S")
T = TypeVar("T")
Shape = tuple[int, int, int]
"""(H, W, C) of one image."""
CHUNK = 16
"""Images that a process decodes at a time, few enough that Ctrl-C need not wait long for large ones."""
BLOCK_BYTES = 1 << 20


def digests(pictures: Sequence[Picture]) -> list[str]:
    """Return the sha256 of every image, or "" for one that cannot be read; decoding it will raise the error."""
    digests = []
    with console.progress("reading pictures", len(pictures)) as advance:
        for picture in pictures:
            digests.append(_pictures.digest(picture))
            advance(1)
    return digests


def images(
    pictures: Sequence[Picture],
    contents: Sequence[str],
    *,
    shape: Shape,
    skip_broken: bool,
    resizing: Resizing = CROP,
) -> tuple[Pixels | Stored, list[int]]:
    """Decode all images, or read them from the cache.

    Args:
        pictures: (N,).
        contents: (N,) their `digests`.
        shape: (H, W, C) that every image is resized to.
        skip_broken: leave broken images black instead of raising an error.
        resizing: how.

    Returns:
        The images, uint8 (N, H, W, C), and the indices of the broken ones.

    Raises:
        DataError: an image is broken; nothing is cached then.
    """
    key = _key(contents, shape, resizing)
    pixels_path = cache_folder() / "decoded" / f"{key}.npy"
    kept_path = pixels_path.with_suffix(".json")
    cached = _open_cache(pixels_path, kept_path, (len(pictures), *shape))
    if cached is None:
        broken: list[int] = []
        with contextlib.closing(_parts(pictures, shape, resizing, broken, kept_path, skip_broken)) as parts:
            cached = _stored.made(pixels_path, (len(pictures), *shape), parts), broken
        console.note(f"decoded {len(pictures):,} pictures into {pixels_path}")
    elif cached[1] and not skip_broken:
        _pictures.decode(pictures[cached[1][0]], height=shape[0], width=shape[1], channels=shape[2])
    return cached


def _key(contents: Sequence[str], shape: Shape, resizing: Resizing) -> str:
    """Return the name of the cache's files."""
    import PIL

    versions = [PIL.__version__, edgecnn.__version__]
    height, width, channels = shape
    size = height if height == width else [height, width]
    rules = [resizing.rule, preprocessing.PIXEL_RULE, preprocessing.formats()]
    key = documents.to_json([rules, versions, size, channels, list(contents)], None)
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _open_cache(pixels_path: Path, kept_path: Path, shape: tuple[int, ...]) -> tuple[Pixels | Stored, list[int]] | None:
    """Return the images and the indices of the broken ones; None if they are missing or not what was written."""
    if (kept := _kept.read(kept_path)) is None:
        return None
    images = _stored.opened(pixels_path, shape)
    if images is None or _checksum(images) != kept["pixels_crc32"]:
        return None
    return images, kept["broken"]


def _checksum(images: Pixels | Stored) -> int:
    """Return the crc32 of all pixels, reading a block of images at a time."""
    value, step = 0, max(1, BLOCK_BYTES // max(1, math.prod(images.shape[1:])))
    for start in range(0, len(images), step):
        value = zlib.crc32(np.ascontiguousarray(images[start : start + step]).data, value)
    return value


def _parts(
    pictures: Sequence[Picture],
    shape: Shape,
    resizing: Resizing,
    broken: list[int],
    kept_path: Path,
    skip_broken: bool,
) -> Generator[Pixels]:
    """Yield all images in order, uint8 (n, H, W, C), and append the indices of broken ones to `broken`.

    At the end the indices and a checksum are written to `kept_path`. The file of pixels appears after that, so that its
    presence means that both are whole.
    """
    done = checksum = 0
    with (
        contextlib.closing(
            in_processes(functools.partial(_decode, shape=shape, resizing=resizing), pictures)
        ) as decoded,
        console.progress("decoding pictures", len(pictures)) as advance,
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


def in_processes(work: Callable[[Sequence[S]], T], pictures: Sequence[S]) -> Generator[T]:
    """Yield what `work` returns for each CHUNK of the images, in order, from one process per core.

    Processes and not threads, because of the global interpreter lock: 10,000 JPEGs of 32 x 32 on two cores took 1.7 s
    in one process, 2.1 s in two threads and 1.1 s in two processes (Pillow 13). They are spawned, since the fork of a
    process with PyTorch's threads may hang.

    Raises:
        EnvironmentUnfit: a process died.
    """
    chunks = [pictures[i : i + CHUNK] for i in range(0, len(pictures), CHUNK)]
    if len(chunks) == 1:
        yield work(pictures)
        return
    pool = ProcessPoolExecutor(
        min(len(chunks), os.cpu_count() or 1),
        mp_context=multiprocessing.get_context("spawn"),
        # Ctrl-C reaches all processes of the terminal, but only this one handles it.
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


def _decode(pictures: Sequence[Picture], shape: Shape, resizing: Resizing) -> tuple[Pixels, dict[int, DataError]]:
    """Return the images (n, H, W, C), and the errors of the broken ones by index."""
    size = dict(zip(("height", "width", "channels"), shape, strict=True))
    pixels = np.zeros((len(pictures), *shape), dtype=np.uint8)
    errors = {}
    for index, picture in enumerate(pictures):
        try:
            pixels[index] = _pictures.decode(picture, **size, resizing=resizing)
        except DataError as error:
            errors[index] = error
    return pixels, errors
