"""UTF-8 for text, file names and output, whatever the locale says.

Python has a mode for it (PEP 540), which can only be entered at the start, so a process whose locale says
otherwise begins once more. Its children inherit the mode.
"""

from __future__ import annotations

import codecs
import io
import os
import sys

MODE = "PYTHONUTF8"


def insist() -> None:
    """Read and write UTF-8 from here on, and fail for no letter that cannot be printed. A program calls it first."""
    if not _has_utf8() and os.environ.get(MODE) != "1" and sys.executable:
        os.environ[MODE] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may be told to be ASCII (PYTHONIOENCODING)
            stream.reconfigure(errors="backslashreplace")


def _has_utf8() -> bool:
    return bool(sys.flags.utf8_mode) or codecs.lookup(sys.getfilesystemencoding()).name == "utf-8"
