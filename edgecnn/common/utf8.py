"""UTF-8 for text, file names and output, whatever the locale says.

Python's UTF-8 mode (PEP 540) can only be entered at the start, so a process under another locale restarts itself. Its
children inherit the mode.
"""

from __future__ import annotations

import codecs
import io
import os
import sys

MODE = "PYTHONUTF8"


def insist() -> None:
    """Switch to UTF-8, and escape letters that cannot be printed instead of failing; call it first in a program."""
    if not _has_utf8() and os.environ.get(MODE) != "1" and sys.executable:
        os.environ[MODE] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may be told to be ASCII (PYTHONIOENCODING)
            stream.reconfigure(errors="backslashreplace")


def _has_utf8() -> bool:
    return bool(sys.flags.utf8_mode) or codecs.lookup(sys.getfilesystemencoding()).name == "utf-8"
