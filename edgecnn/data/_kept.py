"""Small results that are kept in the cache beside a checksum: what rotted or was cut short is made anew."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from edgecnn.common import documents, files
from edgecnn.common.documents import Unreadable
from edgecnn.errors import OutputError


def write(path: Path, content: Any) -> None:
    """Keep what JSON takes at `path`, and make its folder. Raises OutputError."""
    try:
        files.make_folder(path.parent)
        files.write_json(path, {"crc32": _checksum(content), "content": content})
    except OutputError as error:
        raise OutputError(error.sentence, "make room there, or set XDG_CACHE_HOME to a folder that has some") from error


def read(path: Path) -> Any:
    """What was kept at `path`; None if nothing was, or it is not what was written."""
    try:
        table = documents.table(path)
    except Unreadable:
        return None
    content = table.get("content")
    return content if table.get("crc32") == _checksum(content) else None


def _checksum(content: Any) -> int:
    return zlib.crc32(documents.canonical(content).encode())
