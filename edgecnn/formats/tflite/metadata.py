"""The TFLite metadata convention: a flatbuffer inside the model, and label files in a zip archive behind it.

Schema: tensorflow/tflite-support, tensorflow_lite_support/metadata/metadata_schema.fbs, 1.1.0. There is no package with
generated code for it, so the few tables are built field by field; the numbers are the fields' positions in the schema.
Android Studio, MediaPipe and tflite-support read them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

from edgecnn.records.artifact import Preprocessing
from edgecnn.records.sound import FrontEnd

NOTE = "TFLITE_METADATA"
CARD_NOTE = "EDGECNN_CARD"
"""Metadata entry that holds, as JSON, the notes that an ONNX file has as properties."""
IDENTIFIER = b"M001"
LABELS = "labels.txt"
PARSER = "1.0.0"
"""The oldest metadata parser that knows all fields used here."""
RGB, GREY = 1, 2
FEATURE_PROPERTIES, IMAGE_PROPERTIES = 1, 2
NORMALIZATION_OPTIONS = 1
TENSOR_AXIS_LABELS = 2


def build(name: str, preprocessing: Preprocessing, mean: float, std: float, sound: FrontEnd | None = None) -> bytes:
    """Build the ModelMetadata of a classifier whose input tensor holds (pixel - mean) / std, of images or of sounds."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    if sound is None:
        size = _table(builder, 2, {0: ("Uint32", preprocessing.width), 1: ("Uint32", preprocessing.height)})
        colour = GREY if preprocessing.channels == 1 else RGB
        kind, properties = IMAGE_PROPERTIES, _table(builder, 2, {0: ("Int8", colour), 1: ("Offset", size)})
        words = ("image", f"Picture, {preprocessing.colour_order}; resized: {preprocessing.resize}.")
    else:
        kind, properties = FEATURE_PROPERTIES, _table(builder, 0, {})
        words = ("spectrogram", f"Sound as bytes, {sound.words()}; {sound.rule}.")
    content = _table(builder, 3, {0: ("Uint8", kind), 1: ("Offset", properties)})
    means, stds = _floats(builder, [mean]), _floats(builder, [std])
    normalisation = _table(builder, 2, {0: ("Offset", means), 1: ("Offset", stds)})
    unit = _table(builder, 2, {0: ("Uint8", NORMALIZATION_OPTIONS), 1: ("Offset", normalisation)})
    source = _tensor(builder, *words) | {
        3: ("Offset", content),
        4: ("Offset", _offsets(builder, [unit])),
    }
    source_table = _table(builder, 7, source)
    labels = _table(
        builder,
        4,
        {
            0: ("Offset", builder.CreateString(LABELS)),
            1: ("Offset", builder.CreateString("One class a line, in the order of the logits.")),
            2: ("Int8", TENSOR_AXIS_LABELS),
        },
    )
    result = _tensor(builder, "logits", "One logit a class, before any softmax.") | {
        6: ("Offset", _offsets(builder, [labels]))
    }
    result_table = _table(builder, 7, result)
    graph = _table(
        builder,
        7,
        {2: ("Offset", _offsets(builder, [source_table])), 3: ("Offset", _offsets(builder, [result_table]))},
    )
    model = _table(
        builder,
        8,
        {
            0: ("Offset", builder.CreateString(name)),
            1: ("Offset", builder.CreateString(f"{'Sound' if sound else 'Image'} classifier, exported by edgecnn.")),
            3: ("Offset", _offsets(builder, [graph])),
            7: ("Offset", builder.CreateString(PARSER)),
        },
    )
    builder.Finish(model, file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def append_labels(model: bytes, labels: Sequence[str]) -> bytes:
    """Append labels.txt in a zip archive, which flatbuffer readers do not see."""
    stream = io.BytesIO(model)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo(LABELS, date_time=(1980, 1, 1, 0, 0, 0))  # a fixed date: the same bytes each time
        archive.writestr(entry, "".join(f"{label}\n" for label in labels))
    return stream.getvalue()


def _tensor(builder: Any, name: str, description: str) -> dict[int, tuple[str, int]]:
    return {
        0: ("Offset", builder.CreateString(name)),
        1: ("Offset", builder.CreateString(description)),
    }


def _table(builder: Any, fields: int, values: dict[int, tuple[str, int]]) -> int:
    """Build a table with room for `fields` fields; `values` holds (kind, number or offset) by position."""
    builder.StartObject(fields)
    for place, (kind, value) in values.items():
        if kind == "Offset":
            builder.PrependUOffsetTRelativeSlot(place, value, 0)
        else:
            getattr(builder, f"Prepend{kind}Slot")(place, value, 0)
    table: int = builder.EndObject()
    return table


def _offsets(builder: Any, tables: list[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    vector: int = builder.EndVector()
    return vector


def _floats(builder: Any, values: list[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    vector: int = builder.EndVector()
    return vector
