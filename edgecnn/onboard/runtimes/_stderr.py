"""Keeping apart what native engines write to stderr while they load."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

_ours = threading.Lock()


@contextlib.contextmanager
def notes_apart() -> Iterator[IO[bytes]]:
    """Have stderr go to the yielded file inside the block; one thread at a time, for stderr is the process's."""
    with _ours, tempfile.TemporaryFile() as notes:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            yield notes
        finally:
            os.dup2(kept, 2)
            os.close(kept)
