"""The user's folders: for files that can be made or downloaded again, and for what the user has set up."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return `edgecnn` in the user's cache folder, which is $XDG_CACHE_HOME or ~/.cache."""
    return _base("XDG_CACHE_HOME", ".cache") / "edgecnn"


def config_folder() -> Path:
    """Return `edgecnn` in the user's configuration folder, which is $XDG_CONFIG_HOME or ~/.config."""
    return _base("XDG_CONFIG_HOME", ".config") / "edgecnn"


def data_folder() -> Path:
    """Return where data sets are kept, one folder each: $EDGECNN_DATA, or `data` in the cache folder."""
    chosen = os.environ.get("EDGECNN_DATA", "")
    return Path(chosen).expanduser() if chosen else cache_folder() / "data"


def _base(variable: str, usual: str) -> Path:
    """Return the folder that a variable names, or the usual one; relative paths are ignored (XDG 0.8)."""
    named = os.environ.get(variable, "")
    return Path(named) if Path(named).is_absolute() else Path.home() / usual
