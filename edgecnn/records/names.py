"""Checks of the names that runs, duels and plans are given, which become file and folder names."""

from __future__ import annotations

import re

from edgecnn.common import console, escapes
from edgecnn.errors import UsageError

LONGEST_BYTES = 160
"""The longest name; what an export appends to it still fits the usual limit of 255 bytes."""
NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]|[ .]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)
"""What Windows and FAT file systems, which SD cards for boards often have, refuse in a name."""


def require(name: str, source: str) -> None:
    """Require that `name` can be a file name; warn if Windows or a FAT card refuses it.

    Args:
        name: the name to check.
        source: where it comes from, to begin messages with: "--name".

    Raises:
        UsageError: the name is empty, too long, holds a path separator or control characters, or begins with "-".
    """
    shown = f"{source} '{escapes.line(name)}'"
    if not name.strip() or name in (".", ".."):
        raise UsageError(f"{shown} is no name of a file.", "letters, digits, - and _ are safe everywhere")
    if "/" in name or "\\" in name:
        raise UsageError(f"{shown} holds a separator of folders.", "--output says where a run is put")
    if escapes.has_controls(name):
        raise UsageError(f"{shown} holds control characters.", "letters, digits, - and _ are safe everywhere")
    if name.startswith("-"):
        raise UsageError(f"{shown} begins like an option.", "begin it with a letter")
    if (size := len(name.encode())) > LONGEST_BYTES:
        raise UsageError(f"{source} has {size} bytes.", f"at most {LONGEST_BYTES}")
    if NOT_ON_WINDOWS.search(name):
        console.warn(f"{shown} is no name that Windows or a FAT card takes.")
