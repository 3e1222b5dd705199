"""Where data sets are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from edgecnn.common.cache import cache_folder


def data_folder() -> Path:
    """Where data sets are kept, one folder each: $EDGECNN_DATA, or `data` in the cache folder."""
    chosen = os.environ.get("EDGECNN_DATA", "")
    return Path(chosen).expanduser() if chosen else cache_folder() / "data"
