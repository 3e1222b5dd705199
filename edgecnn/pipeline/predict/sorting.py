"""Copies pictures into a folder for each class that a model sees in them, and one for those it does not know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edgecnn.common import files
from edgecnn.errors import UsageError
from edgecnn.onboard.unknown import UNKNOWN
from edgecnn.pipeline.predict.predict import Prediction

UNSAFE = re.compile(r"[^\w.,+()\- ]")
"""What is replaced in a class's name, so that it can be a folder's on any system."""


class Sorter:
    """Puts pictures into FOLDER/CLASS/; nothing that is there is replaced."""

    def __init__(self, folder: Path, labels: Sequence[str]) -> None:
        """Prepare the folder.

        Args:
            folder: Where the folders of the classes are made; it is empty, or is not there yet.
            labels: All classes.

        Raises:
            UsageError: Something is in the folder.
            OutputError: It cannot be written.
        """
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder} holds something.", "name an empty folder with --save")
        self._folder = files.make_folder(folder)
        self._names = _folder_names([*labels, *({UNKNOWN} - {*labels})])

    def keep(self, prediction: Prediction) -> Path | None:
        """Copy the picture of a prediction, and return where to; None for a picture without an answer."""
        if prediction.answer is None or prediction.source is None:
            return None
        if isinstance(prediction.source, bytes):
            name, content = f"{'stdin' if prediction.picture == '-' else prediction.picture}", prediction.source
        else:
            name, content = prediction.source.name, prediction.source.read_bytes()
        target = _free(files.make_folder(self._folder / self._names[prediction.answer.label]) / name)
        files.write_bytes(target, content)
        return target


def _folder_names(labels: Sequence[str]) -> dict[str, str]:
    """Return a folder's name for each class, none twice where a file system ignores case."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for place, label in enumerate(labels):
        name = UNSAFE.sub("_", label).strip(" .") or f"class {place}"
        if name.casefold() in taken:
            name = f"{name} ({place})"
        taken.add(name.casefold())
        names[label] = name
    return names


def _free(path: Path) -> Path:
    """Return the path, or with a number behind the name if there is such a file already."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free
