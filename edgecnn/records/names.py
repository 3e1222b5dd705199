"""Names that become files' and folders' names: what a run, a duel or a plan is called."""

from __future__ import annotations

import re

from edgecnn.common import console, escapes
from edgecnn.errors import UsageError

LONGEST_BYTES = 160
"""What an export adds to a run's name still fits a file name of 255 bytes."""
NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]|[ .]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)
"""What FAT and Windows refuse in a name; an SD card for a board is often such a one."""


def require(name: str, what: str) -> None:
    """Raises UsageError for a name that no file can have, or that says another place, or is taken for an option.

    Says of one that another system refuses that it does.
    """
    shown = f"{what} '{escapes.line(name)}'"
    if not name.strip() or name in (".", ".."):
        raise UsageError(f"{shown} is no name of a file.", "letters, digits, - and _ are safe everywhere")
    if "/" in name or "\\" in name:
        raise UsageError(f"{shown} holds a separator of folders.", "--output says where a run is put")
    if escapes.has_controls(name):
        raise UsageError(f"{shown} holds control characters.", "letters, digits, - and _ are safe everywhere")
    if name.startswith("-"):
        raise UsageError(f"{shown} begins like an option.", "begin it with a letter")
    if (size := len(name.encode())) > LONGEST_BYTES:
        raise UsageError(f"{what} has {size} bytes.", f"at most {LONGEST_BYTES}")
    if NOT_ON_WINDOWS.search(name):
        console.warn(f"{shown} is no name that Windows or a FAT card takes.")
