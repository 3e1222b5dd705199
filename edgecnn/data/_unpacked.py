"""The pictures of a Parquet file, unpacked once into the cache, from where any process reads them.

A Parquet file packs its columns, so a picture has no place in it. The cache is keyed by the file's content, which is
hashed on every load, and so is what was unpacked.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from edgecnn.common import documents, files
from edgecnn.common.cache import cache_folder
from edgecnn.common.documents import Unreadable
from edgecnn.common.signals import ending_signal
from edgecnn.data import _kept
from edgecnn.data._pictures import Part
from edgecnn.errors import DataError, EnvironmentUnfit, MissingPackage, OutputError
from edgecnn.onboard import opening

RULE = 1
"""Version of what is unpacked and how; another number invalidates every cached result."""
CHILD = "edgecnn.data._parquet_child"


@dataclass(frozen=True)
class Unpacked:
    """The rows of a Parquet file."""

    pictures: tuple[Part, ...]
    names: tuple[str, ...]
    """(N,) the path of each picture, or its row."""
    labels: tuple[str | None, ...]
    """(N,) the class of each; None where the file names none."""
    image: str
    """The column of the pictures."""
    label: str
    """The column of the classes."""
    has_names: bool
    """Whether the file names its classes; otherwise they are called as they stand there, texts or numbers."""


def folder() -> Path:
    """Return the folder of the cache that holds the unpacked pictures."""
    return cache_folder() / "unpacked"


def unpack(path: Path, image: str, label: str) -> Unpacked:
    """Read a Parquet file in a process of its own, or what that left in the cache.

    Args:
        path: The file.
        image: The column of the pictures; "" for the one that is declared as such, or called image.
        label: The column of the classes; "" for the one that is declared as such, or called label.

    Raises:
        MissingPackage: The library that reads it is not installed.
        DataError: It is damaged, or its columns do not hold pictures and classes.
        EnvironmentUnfit: Reading it took too much memory or time, or ended the process.
        OutputError: The cache cannot be written.
    """
    try:
        key = documents.canonical([RULE, files.sha256(path), image, label])
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.") from error
    content = folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.bin"
    kept_path = content.with_suffix(".json")
    kept = _kept.read(kept_path)
    if kept is None or not content.is_file() or files.sha256(content) != kept["sha256"]:
        kept = _made(path, content, kept_path, image, label)
    sizes, numbers = kept["sizes"], range(len(kept["sizes"]))
    starts = [0, *accumulate(sizes)]
    return Unpacked(
        tuple(Part(content, starts[row], sizes[row], f"{path}:{row}") for row in numbers),
        tuple(kept["paths"][row] or f"{row:09}" for row in numbers),
        tuple(kept["labels"]),
        kept["image"],
        kept["label"],
        kept["named"],
    )


def _made(path: Path, content: Path, kept_path: Path, image: str, label: str) -> dict[str, Any]:
    """Unpack a file into the cache, and return what is kept beside the pictures."""
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingPackage("pyarrow", "parquet", "Reading Parquet files")
    try:
        files.remove_left_behind(files.make_folder(content.parent))
        with files.replacing(content) as temporary:
            rows = _asked(path, temporary, image, label)
            kept = {**rows, "sha256": files.sha256(temporary)}
            _kept.write(kept_path, kept)
    except OutputError as error:
        raise OutputError(error.sentence, "make room there, or set XDG_CACHE_HOME to a folder that has some") from error
    return kept


def _asked(path: Path, out: Path, image: str, label: str) -> dict[str, Any]:
    """Have a process read a file, and return its answer. Raises the error that it reports, or that explains its end."""
    command = [sys.executable, "-P", "-m", CHILD, str(path), str(out), image, label]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if signal := ending_signal(done.returncode):
        raise _ended(path, signal)
    try:
        answer = documents.table(done.stdout)
    except Unreadable as error:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or [str(error)])[-1]
        raise EnvironmentUnfit(f"{path} cannot be read: the process that read it failed ({last}).") from error
    if isinstance(problem := answer.get("error"), dict):
        kinds = {kind.__name__: kind for kind in (EnvironmentUnfit, OutputError)}
        raise kinds.get(str(problem.get("kind")), DataError)(str(problem.get("sentence")), problem.get("hint"))
    return documents.part(answer, "rows")


def _ended(path: Path, signal: str) -> EnvironmentUnfit:
    """Return the error for a process that a signal ended while it read a file."""
    if signal == "SIGPROF":
        return EnvironmentUnfit(
            f"{path}: to read it took more than {opening.allowance_seconds(path)} s of CPU time.",
            f"if you trust the file, set {opening.SECONDS_VARIABLE} to the seconds it may take",
        )
    return EnvironmentUnfit(f"{path}: the process that read it was ended by {signal}.", "copy or write the file again")
