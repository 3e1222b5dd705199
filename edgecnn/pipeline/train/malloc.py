"""Keep the memory that every training step frees and allocates again in the process.

By default glibc returns large freed blocks to the kernel, so every step has its pages mapped and zeroed again, with a
page fault for each 4 KiB (mallopt(3); `bench/train_speed.py` measures what that costs).
"""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Iterator

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 30
"""Largest block that is kept when it is freed, and most free memory that is kept at the end of the heap."""
USUAL_MMAP_BYTES, USUAL_TRIM_BYTES = 1 << 25, 1 << 26
"""The largest thresholds that glibc sets by itself when a program frees large blocks."""


@contextlib.contextmanager
def keep_freed_pages() -> Iterator[bool]:
    """Keep freed memory in the process while inside, and return it to the kernel at the end.

    Yields:
        Whether the C library can: only glibc can, and with another nothing changes.
    """
    if platform.libc_ver()[0] != "glibc":
        yield False
        return
    library = ctypes.CDLL(None)
    accepted = [library.mallopt(parameter, KEPT_BYTES) for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD)]
    try:
        yield all(accepted)
    finally:
        library.mallopt(M_MMAP_THRESHOLD, USUAL_MMAP_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, USUAL_TRIM_BYTES)
        library.malloc_trim(0)
