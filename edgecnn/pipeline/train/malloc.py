"""Memory that is freed and wanted again in every step of a training stays with the process.

By default glibc gives large blocks back to the kernel when they are freed, and every step then has its pages mapped and
zeroed anew, one fault for each 4 KiB (mallopt(3); `bench/train_speed.py` measures what that costs).
"""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Iterator

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 30
"""Blocks up to this size, and as much at the end of the heap, are kept."""
USUAL_MMAP_BYTES, USUAL_TRIM_BYTES = 1 << 25, 1 << 26
"""As far as glibc goes by itself when a program frees large blocks."""


@contextlib.contextmanager
def keep_freed_pages() -> Iterator[bool]:
    """Freed memory stays, in the whole process, until the end, when it is given back; whether the C library can.

    glibc alone can; with another nothing changes.
    """
    if platform.libc_ver()[0] != "glibc":
        yield False
        return
    library = ctypes.CDLL(None)
    kept = [library.mallopt(parameter, KEPT_BYTES) for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD)]
    try:
        yield all(kept)
    finally:
        library.mallopt(M_MMAP_THRESHOLD, USUAL_MMAP_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, USUAL_TRIM_BYTES)
        library.malloc_trim(0)
