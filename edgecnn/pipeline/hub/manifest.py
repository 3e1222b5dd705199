"""The manifest of a model on a hub: which of its repository's files are the run's, with the digest of each.

A run's folder is kept as it is, but for curves, benches and what its user has put there. Files that the manifest does
not name are nobody's business, and are neither pulled nor removed.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecnn.common import config, documents
from edgecnn.common.documents import Unreadable
from edgecnn.records.run import CODE, WEIGHTS

FILE = "edgecnn.json"
VERSION = 1
LARGEST_MANIFEST = 1 << 20
"""The largest manifest in bytes."""
MOST_FILES = 200
LARGEST_BYTES = 4_000_000_000
"""The most bytes of a run, all files together."""
LARGEST_DOCUMENT = documents.LARGEST_JSON
"""The most bytes of a file that holds neither weights nor a model."""
OF_A_RUN = ("recipe.toml", "run.json", "environment.json", "metrics.csv", WEIGHTS, CODE)
REQUIRED = ("recipe.toml", "run.json", WEIGHTS)
BESIDE_MODELS = ("labels.txt", "golden.npz", "calibration.json")
"""Files in artifacts/ that belong to all models there."""
_ARTIFACT = re.compile(r"artifacts/(?!\.)[^/\\]{1,200}\.(onnx|tflite|h|data|json|txt|npz)")
_LARGE = re.compile(r".*\.(safetensors|onnx|tflite|h|data|npz)")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class HubFile:
    """One file."""

    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class HubManifest:
    """The contents of edgecnn.json."""

    edgecnn: str
    """The version that wrote it."""
    files: Mapping[str, HubFile]
    """Each file by its path in the run's folder."""
    readme_sha256: str
    """Digest of README.md as it was generated; another one was written by a person and is left alone."""

    def __post_init__(self) -> None:
        if strange := sorted(name for name in self.files if not is_of_a_run(name)):
            raise ValueError(f"{strange[0]!r} is no file of a run")
        if missing := [name for name in REQUIRED if name not in self.files]:
            raise ValueError(f"{missing[0]} is missing")
        if len(self.files) > MOST_FILES:
            raise ValueError(f"{len(self.files):,} files are more than {MOST_FILES}")
        for name, file in self.files.items():
            if not _SHA256.fullmatch(file.sha256):
                raise ValueError(f"{name} has no sha256")
            if not 0 <= file.bytes <= (LARGEST_BYTES if _LARGE.fullmatch(name) else LARGEST_DOCUMENT):
                raise ValueError(f"{name} has {file.bytes:,} bytes")
        if self.bytes > LARGEST_BYTES:
            raise ValueError(f"{self.bytes:,} bytes are more than {LARGEST_BYTES:,}")

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(file.bytes for file in self.files.values())


def is_of_a_run(name: str) -> bool:
    """Return whether a path is one that a run on a hub may hold: nothing hidden, nothing above, no odd letters."""
    return name in OF_A_RUN or (name.isprintable() and _ARTIFACT.fullmatch(name) is not None)


def dump(manifest: HubManifest) -> bytes:
    """Return the manifest as the content of its file."""
    table = {"manifest_version": VERSION, **dataclasses.asdict(manifest)}
    return documents.to_file(table, Path(FILE)).encode()


def parse(content: bytes) -> HubManifest:
    """Parse what `dump` returned.

    Raises:
        Unreadable: It is something else, or names what no run on a hub holds.
        PlanError: A key or a value is wrong.
    """
    table = documents.table(content)
    if (version := table.pop("manifest_version", None)) != VERSION:
        raise Unreadable(f"it has the manifest version {version!r}, and {VERSION} is known")
    return config.build(HubManifest, table, FILE)
