"""The files of a bundle, and how a device opens it.

dscnn-int8.tflite       the model, and what other files it reads
dscnn-int8.tflite.json  its card
labels.txt              one class a line
golden.npz              images, and the exact output tensor that the model gave for each where it was exported
edgecnn.pyz             this program
README.txt              how to run it
manifest.json           the sha256 of every other file
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import config, documents, files
from edgecnn.common.documents import Missing, Unreadable
from edgecnn.errors import ModelFileError
from edgecnn.onboard import golden
from edgecnn.records import artifact
from edgecnn.records.artifact import Artifact

BUNDLE_VERSION = 1
LABELS = "labels.txt"
GOLDEN = golden.FILE
OUTPUTS = "outputs"
"""The name of the outputs in a bundle's golden.npz."""
PROGRAM = "edgecnn.pyz"
README = "README.txt"
MANIFEST = "manifest.json"

AGAIN = "deploy it again"
KIND = documents.Kind(name="bundle", words="a bundle", error=ModelFileError, hint=f"{PROGRAM} stands beside {MANIFEST}")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The contents of manifest.json."""

    bundle_version: int
    name: str
    model: str
    runtime: str
    files: Mapping[str, str]
    """The sha256 of each file by its name."""
    saturating_layers: int = 0
    """How many layers have sums of two products beyond 16 bits, which some CPUs cut off (`isa.saturates`)."""


@dataclass(frozen=True)
class Contents:
    """A bundle in a folder, whose card has been read and whose model has the digest that the card states."""

    folder: Path
    manifest: Manifest
    artifact: Artifact

    def golden(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.generic]]:
        """Read images (N, H, W, C) and the model's raw output tensors (N, ...) where it was exported."""
        path = self.folder / GOLDEN
        try:
            return golden.read(path, OUTPUTS, self.artifact)
        except Unreadable as error:
            raise ModelFileError(f"{path} holds no golden vectors: {error}.", AGAIN) from error

    def golden_sound(self) -> tuple[npt.NDArray[np.int16], int] | None:
        """Read the samples of a sound, and the place of its picture among the golden images; None without one."""
        path = self.folder / GOLDEN
        try:
            return golden.read_sound(path, self.artifact)
        except Unreadable as error:
            raise ModelFileError(f"{path} holds no golden sound: {error}.", AGAIN) from error


def open_bundle(folder: Path) -> Contents:
    """Open the bundle in a folder. Raises ModelFileError if there is none, or if model and card do not match."""
    with KIND.expected(folder):
        try:
            manifest = config.build(Manifest, documents.table(folder / MANIFEST), MANIFEST)
        except Missing as error:
            raise Unreadable(f"it holds no {MANIFEST}") from error
        for name in (manifest.model, *manifest.files):
            if not _is_inside(name):
                raise Unreadable(f"{MANIFEST} names {name!r}, which is not below its folder")
    if manifest.bundle_version != BUNDLE_VERSION:
        raise ModelFileError(f"{folder} has bundle version {manifest.bundle_version}; {BUNDLE_VERSION} is known.")
    card = artifact.read_card(folder / manifest.model)
    if card is None:
        raise ModelFileError(f"{folder / manifest.model} has no card.", AGAIN)
    return Contents(folder, manifest, card)


def verify(bundle: Contents) -> None:
    """Compare every file with the manifest. Raises ModelFileError that names the first that differs."""
    for name, digest in bundle.manifest.files.items():
        path = bundle.folder / name
        if not path.is_file():
            raise ModelFileError(f"The bundle in {bundle.folder} lacks {name}.", AGAIN)
        if files.sha256(path) != digest:
            raise ModelFileError(f"{path} is not the file its manifest describes (sha256 differs).", AGAIN)


def _is_inside(name: str) -> bool:
    """Return whether a name is that of a file in the folder or below it, in letters that can be shown."""
    return (
        name.isprintable() and not name.startswith("/") and all(part not in ("", ".", "..") for part in name.split("/"))
    )
