"""Read an ONNX file's metadata about its classes and pictures, whoever wrote them.

Known are this tool's notes (`labels`, `preprocessing`); the image properties of onnx/docs/MetadataProps.md, which Azure
Custom Vision and WinML's tools write; and ultralytics' notes (`names`, `task`, `author`), whose classifiers take pixels
/ 255 (ultralytics/data/augment.py, `classify_transforms`).
"""

from __future__ import annotations

from collections.abc import Mapping

from edgecnn.formats._notes import literal, names_of, resizing, sound, ultralytics
from edgecnn.records.artifact import ImageNote

LABEL_KEYS = ("labels", "names", "classes", "class_names", "id2label")
FORMATS = {"gray8": "grey", "rgb8": "RGB", "bgr8": "BGR"}
RANGES = {
    # Image.NominalPixelRange -> (mean, standard deviation) that convert pixels 0..255 to it
    "nominalrange_0_255": (0.0, 1.0),
    "normalized_0_1": (0.0, 255.0),
    "normalized_1_1": (127.5, 127.5),
    "nominalrange_16_235": (-16 * 255 / 219, 255 / 219),
}


def labels(notes: Mapping[str, str]) -> tuple[str, ...]:
    """Return the class names in the order of the outputs; () if there are none."""
    for key in LABEL_KEYS:
        if names := names_of(literal(notes.get(key, ""))):
            return names
    return ()


def image(notes: Mapping[str, str]) -> ImageNote | None:
    """Return what is said about the pictures; None if nothing is."""
    own = literal(notes.get("preprocessing", ""))
    if isinstance(own, dict) and {"mean", "std", "colour_order"} <= own.keys():
        said = {key: own[key] for key in ("mean", "std", "colour_order")}
        hears = sound(literal(notes.get("sound", "")))
        return ImageNote(source="its own notes", **said, resizing=resizing(own), sound=hears)
    small = {key.lower(): value.lower() for key, value in notes.items()}
    colour_order = FORMATS.get(small.get("image.bitmappixelformat", ""))
    mean, std = RANGES.get(small.get("image.nominalpixelrange", ""), (None, None))
    if colour_order or mean is not None:
        return ImageNote(source="its ONNX metadata", colour_order=colour_order, mean=mean, std=std)
    return ultralytics(notes)
