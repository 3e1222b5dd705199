"""Memory that is freed and wanted again in every step of a training stays with the process.

By default glibc gives large blocks back to the kernel when they are freed, and every step then has its pages mapped and
zeroed anew, one fault for each 4 KiB (mallopt(3); `bench/train_speed.py` measures what that costs).
"""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 30
"""Blocks up to this size, and as much at the end of the heap, are kept."""


def keep_pages() -> bool:
    """Keep freed memory from now on, in the whole process; whether the C library can (glibc alone)."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_THRESHOLD, KEPT_BYTES) == 1 and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES) == 1)
