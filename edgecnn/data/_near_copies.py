"""The same picture twice: re-encoded, resized, shifted by a few pixels, or the next frame of a burst.

A net that learnt one of them knows the other. Candidates are pairs of close perceptual hashes (pHash: the signs of a
picture's lowest frequencies; ImageHash's `phash`); a pair is taken for copies if its thumbnails then agree. How many
true copies that finds, and how many others it takes for copies, is in bench/results/near-copies.json.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.common import console, documents
from edgecnn.common.cache import cache_folder
from edgecnn.data import _decoded, _kept, _stored
from edgecnn.data._stored import Pixels
from edgecnn.errors import MissingPackage
from edgecnn.onboard import preprocessing

RULE = 2
"""Of everything below: another number makes every cached result anew."""

SIDE = 64
"""Of a thumbnail, in pixels."""
REACH = 4
"""Farthest shift between two thumbnails that is looked at, in their pixels."""
MOST_BITS = 16
"""Of 64, in which the hashes of two copies may differ; of two other pictures 32 do, in one pair of 8,000 as few."""
MOST_DIFFERENCE = 0.27
"""Root mean square difference of two copies' thumbnails, as a share of the deviation of their pixels."""
ONE_COLOUR = 2.0
"""Deviation of a thumbnail's pixels, in grey levels, up to which a picture is said to be of one colour."""
COARSE = 16
"""Side of the thumbnails that a pair is looked at first with, which costs a hundredth."""
COARSE_MOST = 0.5
BLOCK = 1 << 24
"""Pairs whose hashes are compared at a time."""


@dataclass(frozen=True)
class Looked:
    """What the files of a folder look like, each by its index."""

    pairs: npt.NDArray[np.int64]
    """(n, 2) near-copies of each other, the lower index first."""
    one_colour: npt.NDArray[np.int64]
    """(n,) of one colour all over."""
    sizes: npt.NDArray[np.int64]
    """(N, 2) width and height in pixels; 0 of what cannot be read."""


def look(paths: Sequence[Path], contents: Sequence[str]) -> Looked:
    """Look at every picture, or read what was seen before; `contents` are the `digests` of the paths.

    A file that cannot be read is nobody's copy, and neither is a picture of one colour or an exact copy of an earlier
    file: who has its digest knows. Raises MissingPackage without ImageHash.
    """
    cached = cache_folder() / "looked" / f"{_key(contents)}.json"
    if (table := _kept.read(cached)) is not None:
        return Looked(
            *(_integers(table[name], width) for name, width in (("pairs", 2), ("one_colour", 0), ("sizes", 2)))
        )
    looked = _look(paths, contents, cached.with_suffix(".npy"))
    _kept.write(
        cached,
        {"pairs": looked.pairs.tolist(), "one_colour": looked.one_colour.tolist(), "sizes": looked.sizes.tolist()},
    )
    return looked


def _integers(values: Any, width: int) -> npt.NDArray[np.int64]:
    array = np.asarray(values, dtype=np.int64)
    return array.reshape(-1, width) if width else array.reshape(-1)


def _key(contents: Sequence[str]) -> str:
    import PIL

    rules = [RULE, preprocessing.PIXEL_RULE, preprocessing.formats(), PIL.__version__]
    decided_by = documents.to_json([*rules, list(contents)], None)
    return hashlib.sha256(decided_by.encode()).hexdigest()[:32]


def _look(paths: Sequence[Path], contents: Sequence[str], scratch: Path) -> Looked:
    hashes = np.zeros(len(paths), dtype=np.uint64)
    sizes = np.zeros((len(paths), 2), dtype=np.int64)
    thumbnails = _stored.made(scratch, (len(paths), SIDE, SIDE, 3), _thumbnails(paths, hashes, sizes))
    scratch.unlink(missing_ok=True)  # it stays open as long as it is used
    coarse, deviation = _summaries(thumbnails)
    readable = sizes[:, 0] > 0
    _, first = np.unique(np.array(contents, dtype="U64"), return_index=True)
    original = np.zeros(len(paths), dtype=bool)
    original[first] = True
    compared = np.flatnonzero(readable & original & (deviation > ONE_COLOUR))
    pairs = [
        pair
        for candidates in _candidates(hashes[compared])
        for pair in compared[candidates][_alike(coarse, deviation, compared[candidates])].tolist()
        if _difference(thumbnails[pair[0]], thumbnails[pair[1]]) <= MOST_DIFFERENCE * deviation[pair].min()
    ]
    return Looked(_integers(pairs, 2), np.flatnonzero(readable & (deviation <= ONE_COLOUR)), sizes)


def _thumbnails(
    paths: Sequence[Path], hashes: npt.NDArray[np.uint64], sizes: npt.NDArray[np.int64]
) -> Iterator[Pixels]:
    """Thumbnails (n, SIDE, SIDE, 3) of every picture in order; fills what was seen beside them."""
    done = 0
    with console.progress("looking for copies", len(paths)) as advance:
        for seen in _decoded.in_processes(_seen, paths):
            for thumbnail, hashed, size in seen:
                hashes[done], sizes[done] = hashed, size
                done += 1
                yield thumbnail[np.newaxis]
            advance(len(seen))


def _seen(paths: Sequence[Path]) -> list[tuple[Pixels, int, tuple[int, int]]]:
    """(thumbnail (SIDE, SIDE, 3), perceptual hash, (width, height)) of each; zeros for what cannot be read."""
    return [_seen_in(path) for path in paths]


def _seen_in(path: Path) -> tuple[Pixels, int, tuple[int, int]]:
    try:
        import imagehash
        from PIL import Image, ImageFilter, ImageOps
    except ImportError as error:
        raise MissingPackage("imagehash", None, "Finding copies among pictures") from error
    try:
        with preprocessing.opened(path) as opened:
            size = opened.size
            if opened.mode in ("L", "RGB"):
                opened.draft("RGB", (4 * SIDE, 4 * SIDE))  # a large JPEG is decoded at an eighth of its cost
                image = ImageOps.exif_transpose(opened).convert("RGB")
            else:
                image = Image.fromarray(preprocessing.decode(path, height=4 * SIDE, width=4 * SIDE, channels=3))
        small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR).filter(ImageFilter.BoxBlur(1))
        # The blur lets half a pixel of shift count for little.
        return np.asarray(small, dtype=np.uint8), int(str(imagehash.phash(image)), 16), size
    except MemoryError:
        raise
    except Exception:  # Pillow's readers raise anything; decoding the picture says what is wrong with it
        return np.zeros((SIDE, SIDE, 3), dtype=np.uint8), 0, (0, 0)


def _summaries(thumbnails: _stored.Stored | Pixels) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(thumbnails (N, COARSE, COARSE, 3), deviation (N,) of each one's pixels within its channels)."""
    count, step = len(thumbnails), SIDE // COARSE
    coarse = np.zeros((count, COARSE, COARSE, 3), dtype=np.float32)
    deviation = np.zeros(count, dtype=np.float32)
    for start in range(0, count, _decoded.CHUNK):
        block = thumbnails[start : start + _decoded.CHUNK].astype(np.float32)
        coarse[start : start + len(block)] = block.reshape(-1, COARSE, step, COARSE, step, 3).mean((2, 4))
        deviation[start : start + len(block)] = np.sqrt(block.var((1, 2)).mean(1))
    return coarse, deviation


def _candidates(hashes: npt.NDArray[np.uint64]) -> Iterator[npt.NDArray[np.int64]]:
    """Pairs (n, 2) of indices, the lower first, whose hashes differ in MOST_BITS at the most."""
    rows = max(1, BLOCK // max(1, len(hashes)))
    for start in range(0, len(hashes), rows):
        bits = np.bitwise_count(hashes[start : start + rows, np.newaxis] ^ hashes[np.newaxis, start:])
        first, second = np.nonzero(bits <= MOST_BITS)
        yield np.stack([first, second], axis=1)[first < second] + start


def _alike(
    coarse: npt.NDArray[np.float32], deviation: npt.NDArray[np.float32], pairs: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Which of the pairs (n, 2) are worth a closer look: coarse thumbnails that agree, shifted by a pixel at most."""
    result = np.zeros(len(pairs), dtype=bool)
    for start in range(0, len(pairs), 1024):
        part = pairs[start : start + 1024]
        least = deviation[part].min(1)
        difference = _difference(coarse[part[:, 0]], coarse[part[:, 1]], reach=1)
        result[start : start + 1024] = difference <= COARSE_MOST * least
    return result


def _difference(a: npt.NDArray[Any], b: npt.NDArray[Any], reach: int = REACH) -> npt.NDArray[np.float32]:
    """Root mean square difference (...) of pictures (..., S, S, 3) at the shift where it is least."""
    a, b = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
    side = a.shape[-2]
    least = np.full(a.shape[:-3], np.inf, dtype=np.float32)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            here = a[..., max(0, down) : side + min(0, down), max(0, right) : side + min(0, right), :]
            there = b[..., max(0, -down) : side + min(0, -down), max(0, -right) : side + min(0, -right), :]
            np.minimum(least, ((here - there) ** 2).mean((-3, -2, -1)), out=least)
    result: npt.NDArray[np.float32] = np.sqrt(least)
    return result
