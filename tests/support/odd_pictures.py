"""TIFF and PNG files that Pillow does not write, byte by byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np

SHORT, LONG = 3, 4
CODES = {SHORT: "H", LONG: "I"}
SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3, "c": 6}


def tiff(
    pixels: np.ndarray,
    order: str = "<",
    bits: int | None = None,
    data: bytes | None = None,
    photometric: int | None = None,
    separate_planes: bool = False,
    more: Mapping[int, int] = {},
) -> bytes:
    """An uncompressed TIFF of pixels (H, W) or (H, W, C), in little or big endian.

    bits, data: of a pixel and of all, if they are no whole bytes. more: further tags.
    """
    height, width, channels = pixels.shape if pixels.ndim == 3 else (*pixels.shape, 1)
    if data is None:
        planes = np.moveaxis(pixels, 2, 0) if separate_planes else pixels
        data = planes.astype(pixels.dtype.newbyteorder(order)).tobytes()  # type: ignore[arg-type]
    strips = channels if separate_planes else 1
    tags = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits or 8 * pixels.dtype.itemsize] * channels),
        259: (SHORT, [1]),
        262: (SHORT, [photometric if photometric is not None else 2 if channels >= 3 else 1]),
        273: (LONG, [0] * strips),
        277: (SHORT, [channels]),
        278: (LONG, [height]),
        279: (LONG, [len(data) // strips] * strips),
        284: (SHORT, [2 if separate_planes else 1]),
        339: (SHORT, [SAMPLE_FORMATS[pixels.dtype.kind]] * channels),
    } | {tag: (SHORT, [value]) for tag, value in more.items()}

    def packed(code: int, values: list[int]) -> bytes:
        return struct.pack(order + CODES[code] * len(values), *values)

    long_at = 8 + 2 + 12 * len(tags) + 4  # values that do not fit into their entry stand behind the directory
    data_at = long_at + sum(len(value) for value in (packed(*tag) for tag in tags.values()) if len(value) > 4)
    tags[273] = (LONG, [data_at + i * (len(data) // strips) for i in range(strips)])
    directory, long_values = struct.pack(order + "H", len(tags)), b""
    for tag, (code, values) in sorted(tags.items()):
        value = packed(code, values)
        if len(value) > 4:
            value, long_values = struct.pack(order + "I", long_at + len(long_values)), long_values + value
        directory += struct.pack(order + "HHI", tag, code, len(values)) + value.ljust(4, b"\0")
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    return head + directory + struct.pack(order + "I", 0) + long_values + data


def in_bits(pixels: np.ndarray, bits: int) -> bytes:
    """Rows of `bits` a pixel, each filled up to whole bytes, the first pixel in the highest bits."""
    places = np.arange(bits)[::-1]
    return b"".join(np.packbits((row[:, None] >> places & 1).astype(bool)).tobytes() for row in pixels)


def png(pixels: np.ndarray, bits: int, transparent: int | None = None) -> bytes:
    """A PNG of grey (H, W) or RGB (H, W, 3) pixels of any depth; `transparent` is a value of its grey."""
    height, width = pixels.shape[:2]
    colour = 2 if pixels.ndim == 3 else 0
    rows = [in_bits(row.reshape(1, -1).astype(np.int64), bits) for row in pixels]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)),
            chunk(b"tRNS", struct.pack(">H", transparent)) if transparent is not None else b"",
            chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))),
            chunk(b"IEND", b""),
        ]
    )
