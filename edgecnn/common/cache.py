"""Where this tool keeps what it can make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`edgecnn` in the user's cache folder: $XDG_CACHE_HOME, or ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification (0.8) has relative paths ignored.
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".cache") / "edgecnn"


def data_folder() -> Path:
    """Where data sets are kept, one folder each: $EDGECNN_DATA, or `data` in the cache folder."""
    chosen = os.environ.get("EDGECNN_DATA", "")
    return Path(chosen).expanduser() if chosen else cache_folder() / "data"
