"""Read a TFLite file's metadata about its classes and pictures, whoever wrote them.

It reads the tables of the convention (`tflite.metadata`), as Model Maker, MediaPipe and tflite-support write them, and
the files in the zip archive behind the model: label files, and ultralytics' notes.
"""

from __future__ import annotations

import dataclasses
import io
import zipfile
from collections.abc import Iterator
from typing import Any

from edgecnn.formats import _notes
from edgecnn.formats.tflite.metadata import (
    CARD_NOTE,
    GREY,
    IMAGE_PROPERTIES,
    LABELS,
    NORMALIZATION_OPTIONS,
    NOTE,
    RGB,
)
from edgecnn.records import labels as names
from edgecnn.records.artifact import ImageNote

ULTRALYTICS = ("metadata.json", "TFLITE_ULTRALYTICS_METADATA.json", "temp_meta.txt")
LARGEST_BYTES = 1 << 20
COLOURS = {RGB: "RGB", GREY: "grey"}

# Positions of fields in the schema's SubGraphMetadata and TensorMetadata.
INPUTS, OUTPUTS = 2, 3
CONTENT, UNITS, FILES = 3, 4, 6


def read(model: Any, data: bytes) -> tuple[tuple[str, ...], ImageNote | None]:
    """Read the notes in a model.

    Args:
        model: The ModelT.
        data: The file's bytes.

    Returns:
        (class names in the order of the outputs, what is said about the pictures).
    """
    behind = _archive(data)
    for name in ULTRALYTICS:
        table = _notes.literal(behind.get(name, ""))
        if isinstance(table, dict) and "names" in table:
            return _notes.names_of(table.get("names")), _notes.ultralytics(table)
    graph = _graph(model)
    image, own = _image(graph), _notes.literal(_content(model, CARD_NOTE).decode(errors="replace"))
    if image is not None and isinstance(own, dict):
        said = _notes.resizing(own.get("preprocessing")), _notes.sound(own.get("sound"))
        image = dataclasses.replace(image, resizing=said[0], sound=said[1])
    return _labels(behind, graph), image


def _archive(data: bytes) -> dict[str, str]:
    """Read the text files behind a model, by name; large or unreadable ones are left out."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            small = [entry for entry in archive.infolist() if entry.file_size <= LARGEST_BYTES]
            return {entry.filename: archive.read(entry).decode() for entry in small if _is_text(entry.filename)}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return {}


def _is_text(name: str) -> bool:
    return name.endswith((".txt", ".json"))


def _labels(behind: dict[str, str], graph: _Table | None) -> tuple[str, ...]:
    """Return the labels of the first output's label file, or of the only label file behind the model."""
    texts = [name for name in behind if name.endswith(".txt")]
    outputs = graph.tables(OUTPUTS) if graph else []
    named = [name for output in outputs[:1] for file in output.tables(FILES) if (name := file.text(0)) in behind]
    chosen = named[0] if named else LABELS if LABELS in texts else texts[0] if len(texts) == 1 else None
    return names.parse(behind[chosen]) if chosen else ()


def _image(graph: _Table | None) -> ImageNote | None:
    """Return the first input's colour space and normalisation, if the tables have them."""
    inputs = graph.tables(INPUTS) if graph else []
    if not inputs:
        return None
    colour_order, mean, std = None, None, None
    content = inputs[0].table(CONTENT)
    if content and content.byte(0) == IMAGE_PROPERTIES and (properties := content.table(1)):
        colour_order = COLOURS.get(properties.byte(0))
    for unit in inputs[0].tables(UNITS):
        if unit.byte(0) == NORMALIZATION_OPTIONS and (options := unit.table(1)):
            mean, std = _single(options.floats(0)), _single(options.floats(1))
    if mean is None or std is None:
        mean = std = None
    if colour_order is None and mean is None:
        return None
    return ImageNote(source="its TFLite metadata", colour_order=colour_order, mean=mean, std=std)


def _single(values: tuple[float, ...]) -> float | tuple[float, ...] | None:
    """Return one number if all are equal; None for an empty tuple."""
    return values[0] if len(set(values)) == 1 else values or None


def _graph(model: Any) -> _Table | None:
    """Return the SubGraphMetadata of the first graph; None if the file has no readable metadata."""
    import flatbuffers

    if not (data := _content(model, NOTE)):
        return None
    try:
        start = flatbuffers.encode.Get(flatbuffers.packer.uoffset, data, 0)
        graphs = list(_Table(data, start).tables(3))
    except Exception:  # a broken table makes the reader raise anything; the model is usable without it
        return None
    return graphs[0] if graphs else None


def _content(model: Any, note: str) -> bytes:
    """Return the bytes of the first metadata entry of that name; none if there is none."""
    for entry in model.metadata or ():
        name = entry.name.decode(errors="replace") if isinstance(entry.name, bytes) else entry.name
        content = model.buffers[entry.buffer].data
        if name == note and content is not None:
            return bytes(content)
    return b""


class _Table:
    """A flatbuffer table whose fields are read by their positions in the schema."""

    def __init__(self, data: bytes, start: int) -> None:
        from flatbuffers.table import Table

        self._data = data
        self._table = Table(data, start)

    def byte(self, field: int) -> int:
        from flatbuffers import number_types

        place = self._place(field)
        return int(self._table.Get(number_types.Uint8Flags, place)) if place else 0

    def text(self, field: int) -> str | None:
        place = self._place(field)
        return bytes(self._table.String(place)).decode() if place else None

    def table(self, field: int) -> _Table | None:
        place = self._place(field)
        return _Table(self._data, self._table.Indirect(place)) if place else None

    def tables(self, field: int) -> list[_Table]:
        return [_Table(self._data, self._table.Indirect(place)) for place in self._elements(field)]

    def floats(self, field: int) -> tuple[float, ...]:
        from flatbuffers import number_types

        return tuple(float(self._table.Get(number_types.Float32Flags, place)) for place in self._elements(field))

    def _place(self, field: int) -> int:
        """Return where a field's value begins; 0 for an omitted field."""
        offset = self._table.Offset(4 + 2 * field)
        return int(self._table.Pos + offset) if offset else 0

    def _elements(self, field: int) -> Iterator[int]:
        offset = self._table.Offset(4 + 2 * field)
        if offset:
            start, count = self._table.Vector(offset), self._table.VectorLen(offset)
            yield from (start + 4 * index for index in range(min(count, len(self._data) // 4)))
