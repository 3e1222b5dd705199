"""The class names that an exported file carries inside, read without its format's own package, as a board must."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path

from edgecnn.common import documents, magic, wire
from edgecnn.errors import ModelFileError
from edgecnn.records import labels

ARCHIVED = "labels.txt"
"""Of the zip archive behind a TFLite file."""
NOTES, KEY, VALUE = 14, 1, 2
"""Fields of ONNX's ModelProto (metadata_props) and of its StringStringEntryProto."""


def read(path: Path) -> tuple[str, ...]:
    """The names in the order of the outputs; () for a file that names none, or in another way than an export does."""
    with contextlib.suppress(ModelFileError, ValueError, KeyError, TypeError, OSError, RuntimeError):
        return _archived(path) if magic.format_of(path) == "tflite" else _noted(path)
    return ()


def _archived(path: Path) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(ARCHIVED)
            return labels.parse(archive.read(entry).decode()) if entry.file_size <= labels.LARGEST_BYTES else ()
    except (zipfile.BadZipFile, NotImplementedError):
        return ()


def _noted(path: Path) -> tuple[str, ...]:
    with magic.view(path) as data:
        if not magic.is_onnx(data):
            return ()
        for field in wire.fields(data):
            if field.number == NOTES:
                entry = {inner.number: data[inner.start : inner.end] for inner in wire.fields(data, *field[3:5])}
                if entry.get(KEY) == b"labels":
                    names = documents.parse(entry.get(VALUE, b""))
                    return tuple(map(str, names)) if isinstance(names, list) else ()
    return ()
