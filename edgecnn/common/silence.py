"""Silence for converters, which print, log and warn from Python and from C++."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Discard everything that Python or native code writes to stdout or stderr during the block.

    Exceptions pass. It silences the whole process, so use it only around calls into other people's code.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    disabled = logging.root.manager.disable
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        for descriptor in saved:
            os.dup2(sink, descriptor)
        logging.disable(logging.CRITICAL)
        with (
            open(os.devnull, "w", encoding="utf-8") as nowhere,  # noqa: PTH123 (a device, not a path)
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        for descriptor, copy in saved.items():
            os.dup2(copy, descriptor)
            os.close(copy)
        os.close(sink)
