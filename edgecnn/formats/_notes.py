"""Notes in model files that their makers write in the same way in every format."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from edgecnn.common import config, documents
from edgecnn.errors import PlanError
from edgecnn.records.artifact import ImageNote
from edgecnn.records.resizing import Resizing
from edgecnn.records.sound import FrontEnd


def ultralytics(notes: Mapping[str, Any]) -> ImageNote | None:
    """Return what follows from ultralytics' notes on a classifier; None if the notes are another's."""
    if notes.get("author") == "Ultralytics" and notes.get("task") == "classify":
        return ImageNote(source="ultralytics' rule for its classifiers", colour_order="RGB", mean=0.0, std=255.0)
    return None


def resizing(preprocessing: Any) -> Resizing | None:
    """Return how pictures are resized by this tool's note on the preprocessing; None if it does not say."""
    said = preprocessing.get("resizing") if isinstance(preprocessing, dict) else None
    try:
        return None if said is None else config.build(Resizing, said, "the note")
    except PlanError:
        return None


def sound(said: Any) -> FrontEnd | None:
    """Return the front end that this tool's note states; None if there is none, or it is no front end."""
    try:
        return None if said is None else config.build(FrontEnd, said, "the note")
    except PlanError:
        return None


def literal(text: str) -> Any:
    """Parse a note as JSON or as a Python literal; None if it is neither."""
    for reader in (documents.parse, ast.literal_eval):
        try:
            return reader(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return None


def names_of(value: Any) -> tuple[str, ...]:
    """Read class names from a list, or from a table by number; () if the value is something else."""
    if isinstance(value, dict):
        numbered = {int(key): name for key, name in value.items() if str(key).isdecimal()}
        if len(numbered) != len(value) or sorted(numbered) != list(range(len(value))):
            return ()
        value = [numbered[place] for place in range(len(value))]
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, (str, int)) for name in value):
        return ()
    return tuple(map(str, value))
