"""The class names inside an exported file, read without its format's package, which a board lacks."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path

from edgecnn.common import documents, magic, wire
from edgecnn.errors import ModelFileError
from edgecnn.records import labels

ARCHIVED = "labels.txt"
"""The label file in the zip archive behind a TFLite file."""
NOTES, KEY, VALUE = 14, 1, 2
"""Fields of ONNX's ModelProto (metadata_props) and of its StringStringEntryProto."""


def read(path: Path) -> tuple[str, ...]:
    """Read the names in the order of the outputs; () if the file has none, or not in the form of an export."""
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
