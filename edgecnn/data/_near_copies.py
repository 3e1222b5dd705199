"""Near-copies: the same image re-encoded, resized or shifted by a few pixels, or the next frame of a burst.

A net that is trained on one of them knows the other. Candidates are pairs with similar perceptual hashes (pHash, the
signs of an image's lowest frequencies; ImageHash's `phash`), and a pair counts as near-copies if its thumbnails agree.
How many true copies that finds, and how many other pairs, is in bench/results/near-copies.json.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.common import console, documents
from edgecnn.common.cache import cache_folder
from edgecnn.data import _decoded, _kept, _pictures, _stored
from edgecnn.data._pictures import Picture
from edgecnn.data._stored import Pixels
from edgecnn.errors import MissingPackage
from edgecnn.onboard import preprocessing

RULE = 3
"""Version of all constants and code below; another number invalidates every cached result."""

SIDE = 64
"""Side of a thumbnail in pixels."""
REACH = 4
"""Largest shift between two thumbnails that is tried, in their pixels."""
MOST_BITS = 16
"""Most bits of 64 that differ between the hashes of copies. Between other images 32 do, in one pair of 8,000 as few."""
MOST_DIFFERENCE = 0.27
"""Largest root mean square difference of copies' thumbnails, relative to the standard deviation of their pixels."""
ONE_COLOUR = 2.0
"""Largest standard deviation of a thumbnail's pixels, in gray levels, of an image that counts as one colour."""
GREY = 4
"""Largest difference between the channels of a thumbnail's pixel, in gray levels, of an image that counts as grey: what
a JPEG makes of grey pixels."""
COARSE = 16
"""Side of the small thumbnails that a pair is compared by first, at a hundredth of the cost."""
COARSE_MOST = 0.5
"""MOST_DIFFERENCE for these."""
BLOCK = 1 << 24
"""Number of pairs whose hashes are compared at a time."""
WIDTHS = {"pairs": 2, "one_colour": 0, "sizes": 2, "coloured": 0}
"""The fields of `Looked`, each with the length of its rows; 0 for a list of numbers."""
ORIENTATION, TURNED = 0x0112, range(5, 9)
"""The EXIF tag, and its values for images that lie on their side."""


@dataclass(frozen=True)
class Looked:
    """Properties of the images of a data set, from looking at each of them."""

    pairs: npt.NDArray[np.int64]
    """(n, 2) indices of near-copies, the lower index first."""
    one_colour: npt.NDArray[np.int64]
    """(n,) indices of images of one colour."""
    sizes: npt.NDArray[np.int64]
    """(N, 2) width and height in pixels of the upright image; 0 for an image that cannot be read."""
    coloured: npt.NDArray[np.int64]
    """(n,) indices of images that are not grey."""


def look(pictures: Sequence[Picture], contents: Sequence[str]) -> Looked:
    """Look at every image, or read the result from the cache.

    Images that cannot be read, images of one colour and exact copies of earlier files, which have the same digest, are
    not compared.

    Args:
        pictures: (N,).
        contents: (N,) their digests.

    Raises:
        MissingPackage: ImageHash is not installed.
    """
    cached = cache_folder() / "looked" / f"{_key(contents)}.json"
    if (table := _kept.read(cached)) is not None:
        return Looked(**{name: _integers(table[name], width) for name, width in WIDTHS.items()})
    # Each process has its own scratch file: another one at work on the same images would remove a shared one.
    looked = _look(pictures, contents, cached.with_suffix(f".{os.getpid()}.npy"))
    _kept.write(cached, {name: getattr(looked, name).tolist() for name in WIDTHS})
    return looked


def _integers(values: Any, width: int) -> npt.NDArray[np.int64]:
    array = np.asarray(values, dtype=np.int64)
    return array.reshape(-1, width) if width else array.reshape(-1)


def _key(contents: Sequence[str]) -> str:
    import PIL

    rules = [RULE, preprocessing.PIXEL_RULE, preprocessing.formats(), PIL.__version__]
    key = documents.to_json([*rules, list(contents)], None)
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _look(pictures: Sequence[Picture], contents: Sequence[str], scratch: Path) -> Looked:
    hashes = np.zeros(len(pictures), dtype=np.uint64)
    sizes = np.zeros((len(pictures), 2), dtype=np.int64)
    thumbnails = _stored.made(scratch, (len(pictures), SIDE, SIDE, 3), _thumbnails(pictures, hashes, sizes))
    scratch.unlink(missing_ok=True)  # its content can be read as long as it is open
    coarse, deviation, difference = _summaries(thumbnails)
    readable = sizes[:, 0] > 0
    _, first = np.unique(np.array(contents, dtype="U64"), return_index=True)
    is_first = np.zeros(len(pictures), dtype=bool)
    is_first[first] = True
    compared = np.flatnonzero(readable & is_first & (deviation > ONE_COLOUR))
    pairs = [
        pair
        for candidates in _candidates(hashes[compared])
        for pair in compared[candidates][_alike(coarse, deviation, compared[candidates])].tolist()
        if _difference(thumbnails[pair[0]], thumbnails[pair[1]]) <= MOST_DIFFERENCE * deviation[pair].min()
    ]
    return Looked(
        pairs=_integers(pairs, 2),
        one_colour=np.flatnonzero(readable & (deviation <= ONE_COLOUR)),
        sizes=sizes,
        coloured=np.flatnonzero(readable & (difference > GREY)),
    )


def _thumbnails(
    pictures: Sequence[Picture], hashes: npt.NDArray[np.uint64], sizes: npt.NDArray[np.int64]
) -> Iterator[Pixels]:
    """Yield the thumbnails (1, SIDE, SIDE, 3) of all images in order, and fill in their hashes and sizes."""
    done = 0
    with console.progress("looking for copies", len(pictures)) as advance:
        for chunk in _decoded.in_processes(_look_at, pictures):
            for thumbnail, hashed, size in chunk:
                hashes[done], sizes[done] = hashed, size
                done += 1
                yield thumbnail[np.newaxis]
            advance(len(chunk))


def _look_at(pictures: Sequence[Picture]) -> list[tuple[Pixels, int, tuple[int, int]]]:
    """Return thumbnail (SIDE, SIDE, 3), perceptual hash and (width, height) of each; zeros if it cannot be read."""
    return [_look_at_picture(picture) for picture in pictures]


def _look_at_picture(picture: Picture) -> tuple[Pixels, int, tuple[int, int]]:
    try:
        import imagehash
        from PIL import Image, ImageFilter, ImageOps
    except ImportError as error:
        raise MissingPackage("imagehash", None, "Finding copies among pictures") from error
    try:
        with preprocessing.opened(_pictures.source(picture)) as opened:
            size = opened.size[:: -1 if opened.getexif().get(ORIENTATION) in TURNED else 1]
            if opened.mode in ("L", "RGB"):
                opened.draft("RGB", (4 * SIDE, 4 * SIDE))  # decodes a large JPEG at an eighth of the cost
                image = ImageOps.exif_transpose(opened).convert("RGB")
            else:
                image = Image.fromarray(_pictures.decode(picture, height=4 * SIDE, width=4 * SIDE, channels=3))
        small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR).filter(ImageFilter.BoxBlur(1))
        # The blur makes a shift by half a pixel count for little.
        return np.asarray(small, dtype=np.uint8), int(str(imagehash.phash(image)), 16), size
    except MemoryError:
        raise
    except Exception:  # Pillow's readers may raise anything; decoding the image reports what is wrong with it
        return np.zeros((SIDE, SIDE, 3), dtype=np.uint8), 0, (0, 0)


def _summaries(
    thumbnails: _stored.Stored | Pixels,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return summaries of all thumbnails.

    Returns:
        Small thumbnails (N, COARSE, COARSE, 3), the standard deviation (N,) of each within its channels, and the
        largest difference (N,) between two channels of a pixel.
    """
    count, step = len(thumbnails), SIDE // COARSE
    coarse = np.zeros((count, COARSE, COARSE, 3), dtype=np.float32)
    deviation, difference = np.zeros(count, dtype=np.float32), np.zeros(count, dtype=np.float32)
    for start in range(0, count, _decoded.CHUNK):
        block = thumbnails[start : start + _decoded.CHUNK].astype(np.float32)
        coarse[start : start + len(block)] = block.reshape(-1, COARSE, step, COARSE, step, 3).mean((2, 4))
        deviation[start : start + len(block)] = np.sqrt(block.var((1, 2)).mean(1))
        difference[start : start + len(block)] = (block.max(3) - block.min(3)).max((1, 2))
    return coarse, deviation, difference


def _candidates(hashes: npt.NDArray[np.uint64]) -> Iterator[npt.NDArray[np.int64]]:
    """Yield pairs (n, 2) of indices, the lower first, whose hashes differ in at most MOST_BITS."""
    rows = max(1, BLOCK // max(1, len(hashes)))
    for start in range(0, len(hashes), rows):
        bits = np.bitwise_count(hashes[start : start + rows, np.newaxis] ^ hashes[np.newaxis, start:])
        first, second = np.nonzero(bits <= MOST_BITS)
        yield np.stack([first, second], axis=1)[first < second] + start


def _alike(
    coarse: npt.NDArray[np.float32], deviation: npt.NDArray[np.float32], pairs: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return which of the pairs (n, 2) have small thumbnails that agree when shifted by at most a pixel, (n,)."""
    result = np.zeros(len(pairs), dtype=bool)
    for start in range(0, len(pairs), 1024):
        part = pairs[start : start + 1024]
        least = deviation[part].min(1)
        difference = _difference(coarse[part[:, 0]], coarse[part[:, 1]], reach=1)
        result[start : start + 1024] = difference <= COARSE_MOST * least
    return result


def _difference(a: npt.NDArray[Any], b: npt.NDArray[Any], reach: int = REACH) -> npt.NDArray[np.float32]:
    """Return the root mean square difference (...) of images (..., S, S, 3) at the shift where it is smallest."""
    a, b = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
    side = a.shape[-2]
    least = np.full(a.shape[:-3], np.inf, dtype=np.float32)
    for down in range(-reach, reach + 1):
        for across in range(-reach, reach + 1):
            shifted_a = a[..., max(0, down) : side + min(0, down), max(0, across) : side + min(0, across), :]
            shifted_b = b[..., max(0, -down) : side + min(0, -down), max(0, -across) : side + min(0, -across), :]
            np.minimum(least, ((shifted_a - shifted_b) ** 2).mean((-3, -2, -1)), out=least)
    result: npt.NDArray[np.float32] = np.sqrt(least)
    return result
