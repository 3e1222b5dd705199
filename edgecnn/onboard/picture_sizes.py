"""How large a picture may be: what takes more memory than a small board has is refused before it is unpacked.

Reading a picture of MAX_PIXELS takes up to 300 MB (an AVIF with transparency, a CMYK JPEG in progressive scans; 100 MB
for an ordinary JPEG or PNG), so a process stays below 512 MB. A server on a board has 384 MB for all it does, and takes
fewer pixels from strangers. A JPEG of more pixels is unpacked at a half or a quarter of its width and height, which its
format offers.
"""

from __future__ import annotations

import re
from typing import IO, Any

MAX_PIXELS = 25_000_000
"""Cameras of 24 megapixels give up to 24.5 million. Another number changes what nets are shown of larger JPEGs."""
MAX_SERVED_PIXELS = 12_500_000
"""Of a picture from the network, unless the server is told otherwise: the largest Raspberry Pi camera gives 4056 x
3040, and what unpacking them takes leaves room for the rest of a server within 384 MB."""
MAX_WEBP_PIXELS = 12_500_000
"""Pillow's reader keeps three copies of a WebP's pixels beside its own: 20 bytes a pixel in all."""
MAX_STREAM_BYTES = 1 << 28
"""Of an encoded picture from a stream that may never end; uncompressed, the largest that is read has 200 MB."""
MAX_REDUCTION = 4
"""Of a JPEG's sides: 400 million pixels are read."""
MAX_SCANS = 100
"""Of a JPEG in several; each goes over the whole picture again. Encoders write about ten."""
MOST_BYTES = 1 << 27
"""Of a JPEG that are looked through for scans."""

START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
SEQUENTIAL = (0xC0, 0xC1)
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers that say a JPEG's size and process (ITU-T T.81, table B.1)."""
MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""What ends a scan: stuffed bytes and restart markers do not."""


class TooLarge(ValueError):
    """Why a picture is not unpacked."""

    hint = "make it smaller"


def bound(image: Any, stream: IO[bytes], max_pixels: int | None = None) -> None:
    """Raise TooLarge for an opened picture of too many pixels, or set a large JPEG to be read smaller.

    `stream` is what it was opened from. `max_pixels`, if given, refuses more than that of any format.
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
        by = next(by for by in (2, MAX_REDUCTION) if pixels <= MAX_PIXELS * by**2)
        image.draft(None, (image.width // by, image.height // by))


def _refuse_many_scans(stream: IO[bytes]) -> bool:
    """Whether a JPEG is one scan over all channels, so that few of its rows are in memory at a time.

    Raises TooLarge for one of more than MAX_SCANS.
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
