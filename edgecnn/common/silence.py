"""Silence for converters, which print, log and warn from Python and from C++."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator

from edgecnn.common import console


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Discard everything that Python or native code writes to stdout or stderr during the block.

    With --verbose all of it goes to stderr instead. Exceptions pass. It silences the whole process, so use it only
    around calls into other people's code.
    """
    if console.is_verbose():
        with _aloud():
            yield
        return
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


@contextlib.contextmanager
def _aloud() -> Iterator[None]:
    """Send to stderr what the block writes to stdout, which holds data alone, and tell warnings."""
    sys.stdout.flush()
    stdout = os.dup(1)
    try:
        os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("default")
            yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
