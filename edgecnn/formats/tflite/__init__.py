"""TFLite: NHWC, one picture per call.

fp32 takes raw pixels 0..255 as float. So does fp16, whose weights are stored in half precision behind DEQUANTIZE
operators that XNNPACK folds when it loads the file. int8 takes bytes: int8 (pixel - 128), uint8 (pixel) or, with float
at its edges, raw pixels as float; the plan's `io` decides.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.common import documents
from edgecnn.formats.tflite import convert, cut, operators, surgery
from edgecnn.formats.tflite import flatbuffer as _tflite_model
from edgecnn.formats.tflite import metadata as _tflite_metadata
from edgecnn.formats.tflite.convert import check as check
from edgecnn.formats.tflite.description import describe as describe

if TYPE_CHECKING:
    from edgecnn.formats import Source
    from edgecnn.records.plans import ExportPlan

SUFFIX = ".tflite"
OPERATORS, CUTTER = operators, cut


def write(model: Source, precision: str, plan: ExportPlan, path: Path) -> None:
    """Write the net as `precision` ("fp32", "fp16" or "int8") to `path`, with labels and preprocessing inside."""
    flatbuffer = convert.convert(model, precision, plan)
    raw = convert.takes_floats(precision, plan)
    mean, std = (0.0, 1.0) if raw else (model.run.mean, model.run.std)
    metadata = _tflite_metadata.build(model.run.name, model.preprocessing, mean, std, model.sound)
    notes: dict[str, Any] = {
        "labels": model.run.labels,
        "preprocessing": dataclasses.asdict(model.preprocessing),
        "run": model.run.name,
        "run_sha256": model.run_sha256,
    }
    if model.sound is not None:
        notes["sound"] = dataclasses.asdict(model.sound)
    if precision == "int8" and model.calibration is not None:
        notes["calibration"] = model.calibration.summary()
    surgery.add_note(flatbuffer, _tflite_metadata.CARD_NOTE, documents.to_json(notes, None).encode())
    surgery.add_note(flatbuffer, _tflite_metadata.NOTE, metadata)
    path.write_bytes(_tflite_metadata.append_labels(_tflite_model.dump(flatbuffer), model.run.labels))
