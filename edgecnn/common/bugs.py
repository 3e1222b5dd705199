"""Unexpected exceptions, reported in one sentence with the traceback in a file to send along."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

from edgecnn import __version__
from edgecnn.common import files
from edgecnn.common.cache import cache_folder
from edgecnn.common.escapes import say
from edgecnn.errors import Bug, EdgecnnError

FILE = "bug.txt"
"""Name of the traceback's file in the cache folder; only the latest is kept."""
LONGEST = 200
"""The most characters of an exception's message that are shown."""


def explained(error: BaseException) -> EdgecnnError:
    """Return the error to show for any exception: itself, what the file system says by it, or a bug."""
    return error if isinstance(error, EdgecnnError) else files.of_the_file_system(error) or as_bug(error)


def as_bug(error: BaseException) -> Bug:
    """Return the `Bug` to raise for an unexpected exception, after writing its traceback to a file."""
    words = " ".join(str(error).split())[:LONGEST].rstrip(".")
    kind = type(error).__name__
    place = traceback.extract_tb(error.__traceback__)[-1:]
    at = f" ({Path(place[0].filename).name}, line {place[0].lineno})" if place else ""
    return Bug(
        f"This is a bug of edgecnn: {kind}{f': {words}' if words else ''}{at}.",
        f"please report it to the project, as SECURITY.md there says, and send {_written(error)} along",
    )


def _written(error: BaseException) -> str:
    """Write the traceback to a file and return its path; if no folder is writable, print it to stderr."""
    text = f"edgecnn {__version__}, Python {sys.version.split()[0]} on {sys.platform}\n"
    text += f"arguments: {sys.argv[1:]}\n\n" + "".join(traceback.format_exception(error))
    for place in (cache_folder, tempfile.gettempdir):
        try:
            path = Path(place()) / FILE
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # a link that somebody else put there is not followed
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(text)
        except OSError:
            continue
        return str(path)
    say(text, file=sys.stderr)
    return "what stands above"
