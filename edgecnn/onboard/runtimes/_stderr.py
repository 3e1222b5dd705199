"""Native engines write to stderr while they load: here they do it where no user sees it."""

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
    """What native code says inside goes to the file that is yielded. One thread at a time: stderr is the process's."""
    with _ours, tempfile.TemporaryFile() as notes:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            yield notes
        finally:
            os.dup2(kept, 2)
            os.close(kept)
