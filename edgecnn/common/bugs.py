"""An exception nobody expected, as one sentence, with its traceback in a file to send along."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

from edgecnn import __version__
from edgecnn.common.cache import cache_folder
from edgecnn.common.escapes import say
from edgecnn.errors import Bug

FILE = "bug.txt"
"""In the cache folder; the last one alone is kept."""
LONGEST = 200
"""Of an exception's own words, in characters."""


def of(error: BaseException) -> Bug:
    """The Bug that an unexpected exception is, once its traceback lies in a file."""
    words = " ".join(str(error).split())[:LONGEST].rstrip(".")
    kind = type(error).__name__
    place = traceback.extract_tb(error.__traceback__)[-1:]
    at = f" ({Path(place[0].filename).name}, line {place[0].lineno})" if place else ""
    return Bug(
        f"This is a bug of edgecnn: {kind}{f': {words}' if words else ''}{at}.",
        f"please report it to the project, as SECURITY.md there says, and send {_written(error)} along",
    )


def _written(error: BaseException) -> str:
    """Where the traceback is kept: in a file, or else on stderr here and now."""
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
