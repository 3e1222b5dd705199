"""Bounds for the size of a picture: one that takes more memory than a small board has is refused unread.

Reading a picture of MAX_PIXELS takes up to 300 MB (an AVIF with transparency, or a CMYK JPEG in progressive scans;
100 MB for an ordinary JPEG or PNG), so that a process stays below 512 MB. A server on a board has 384 MB in all, and
accepts fewer pixels from strangers. A JPEG of more pixels is unpacked at a half or a quarter of its width and height,
which its format offers.
"""

from __future__ import annotations

import re
from typing import IO, Any

MAX_PIXELS = 25_000_000
"""Cameras of 24 megapixels give up to 24.5 million pixels. Another bound would change how larger JPEGs are read."""
MAX_SERVED_PIXELS = 12_500_000
"""The bound for a picture from the network, unless the server is told another: the largest Raspberry Pi camera gives
4056 x 3040, and unpacking that leaves room for the rest of a server within 384 MB."""
MAX_WEBP_PIXELS = 12_500_000
"""The bound for a WebP: Pillow's reader keeps three more copies of its pixels, 20 bytes a pixel in all."""
MAX_STREAM_BYTES = 1 << 28
"""The bound for an encoded picture from a stream that may never end; the largest one, uncompressed, has 200 MB."""
MAX_REDUCTION = 4
"""How many times smaller a JPEG's sides may be read, so that 400 million pixels can be."""
MAX_SCANS = 100
"""The most scans of a JPEG, each of which goes over the whole picture; encoders write about ten."""
MOST_BYTES = 1 << 27
"""How much of a JPEG is searched for scans."""

START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
SEQUENTIAL = (0xC0, 0xC1)
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers that give a JPEG's size and process (ITU-T T.81, table B.1)."""
MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""A marker that ends a scan; stuffed bytes and restart markers do not."""


class TooLarge(ValueError):
    """A picture is too large to be unpacked."""

    hint = "make it smaller"


def bound(image: Any, stream: IO[bytes], max_pixels: int | None = None) -> None:
    """Refuse an opened picture of too many pixels, or set a large JPEG to be read smaller.

    Args:
        image: A Pillow image that is not loaded yet.
        stream: What it was opened from.
        max_pixels: A bound for every format; None has those of this module only.

    Raises:
        TooLarge: The picture declares more pixels than are allowed.
    """
    pixels = image.width * image.height
    is_jpeg = image.format in ("JPEG", "MPO")
    most = MAX_WEBP_PIXELS if image.format == "WEBP" else MAX_PIXELS
    whole_scan = not is_jpeg or _refuse_many_scans(stream)
    if is_jpeg and whole_scan:
        most *= MAX_REDUCTION**2
    if pixels > min(most, max_pixels or most):
        allowed = min(most, max_pixels or most)
        kind = "" if whole_scan else " of a JPEG in several scans"
        raise TooLarge(f"it declares {image.width} x {image.height} pixels, {allowed:,}{kind} are allowed")
    if is_jpeg and pixels > MAX_PIXELS:
        factor = next(factor for factor in (2, MAX_REDUCTION) if pixels <= MAX_PIXELS * factor**2)
        image.draft(None, (image.width // factor, image.height // factor))


def _refuse_many_scans(stream: IO[bytes]) -> bool:
    """Return whether a JPEG is one scan over all channels, so that few of its rows are in memory at a time.

    Raises TooLarge for a JPEG of more than MAX_SCANS.
    """
    before = stream.tell()
    stream.seek(0)
    data = stream.read(MOST_BYTES)
    stream.seek(before)
    place, scans, channels = 2, 0, 0
    while match := MARKER.search(data, place):
        kind, body = match[1][0], match.end()
        length = int.from_bytes(data[body : body + 2])
        if kind == END_OF_IMAGE:
            break
        if kind in FRAMES:
            channels = data[body + 7] if kind in SEQUENTIAL and len(data) > body + 7 else 0
        if kind == START_OF_SCAN:
            if channels and data[body + 2 : body + 3] == bytes([channels]):
                return True
            scans += 1
            if scans > MAX_SCANS:
                raise TooLarge(f"its JPEG has more than the {MAX_SCANS} scans that are read")
        place = body + length
    return False
