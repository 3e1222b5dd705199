"""The folder for files that can be made or downloaded again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return `edgecnn` in the user's cache folder, which is $XDG_CACHE_HOME or ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification (0.8) says to ignore relative paths.
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".cache") / "edgecnn"


def data_folder() -> Path:
    """Return where data sets are kept, one folder each: $EDGECNN_DATA, or `data` in the cache folder."""
    chosen = os.environ.get("EDGECNN_DATA", "")
    return Path(chosen).expanduser() if chosen else cache_folder() / "data"
