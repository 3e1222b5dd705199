"""Small results in the cache, as JSON with a checksum: one that is damaged or cut short is computed again."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from edgecnn.common import documents, files
from edgecnn.common.documents import Unreadable
from edgecnn.errors import OutputError


def write(path: Path, content: Any) -> None:
    """Write a JSON value to `path`, and make its folder. Raises OutputError if that fails."""
    try:
        files.make_folder(path.parent)
        files.write_json(path, {"crc32": _checksum(content), "content": content})
    except OutputError as error:
        raise OutputError(error.sentence, "make room there, or set XDG_CACHE_HOME to a folder that has some") from error


def read(path: Path) -> Any:
    """Return the value at `path`; None if there is none, or it is not what was written."""
    try:
        table = documents.table(path)
    except Unreadable:
        return None
    content = table.get("content")
    return content if table.get("crc32") == _checksum(content) else None


def _checksum(content: Any) -> int:
    return zlib.crc32(documents.canonical(content).encode())
