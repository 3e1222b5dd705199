"""An encoded picture, wherever it is kept: a file of its own, or a part of a file that holds many.

Both have the name that messages call them by as their text. A part is a range of bytes, so any process reads it anew,
and nothing is unpacked to files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgecnn.common import files
from edgecnn.errors import DataError
from edgecnn.onboard import preprocessing
from edgecnn.onboard.picture_sizes import MAX_STREAM_BYTES
from edgecnn.records.resizing import CROP, Resizing

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """A picture that is a part of a file, such as a member of a tar archive."""

    file: Path
    start: int
    """Where its bytes begin in the file."""
    size_bytes: int
    name: str
    """What messages call it, as in "train-000000.tar:0001.jpg"."""

    def __str__(self) -> str:
        return self.name

    def read(self) -> bytes:
        """Return its bytes. Raises DataError if there are none, too many, or the file does not have them any more."""
        if not 0 < self.size_bytes <= MAX_STREAM_BYTES:
            problem = f"it has {self.size_bytes:,} bytes, and at most {MAX_STREAM_BYTES:,} are read"
            raise DataError(f"Cannot read {self}: {problem if self.size_bytes else 'it is empty'}.", "replace it")
        try:
            with files.open_regular(self.file) as stream:
                stream.seek(self.start)
                content = stream.read(self.size_bytes)
        except OSError as error:
            raise DataError(f"Cannot read {self}: {error.strerror}.", "copy the file again") from error
        if len(content) < self.size_bytes:
            raise DataError(f"Cannot read {self}: {self.file} ends before it does.", "copy the file again")
        return content


Picture: TypeAlias = Path | Part


def source(picture: Picture) -> Path | bytes:
    """Return what `preprocessing` takes: the path of a file, or the bytes of a part. Raises DataError."""
    return picture if isinstance(picture, Path) else picture.read()


def decode(
    picture: Picture, *, height: int, width: int, channels: int, resizing: Resizing = CROP
) -> npt.NDArray[np.uint8]:
    """Decode one picture as `preprocessing.decode` does, (height, width, channels). Raises DataError."""
    size = {"height": height, "width": width, "channels": channels}
    return preprocessing.decode(source(picture), **size, resizing=resizing, name=str(picture))


def digest(picture: Picture) -> str:
    """Return the sha256 of the picture's bytes, or "" if they cannot be read; decoding it raises the error."""
    try:
        if isinstance(picture, Part):
            return hashlib.sha256(picture.read()).hexdigest()
        hashed = hashlib.sha256()
        with files.open_regular(picture) as stream:
            while block := stream.read(BLOCK_BYTES):
                hashed.update(block)
        return hashed.hexdigest()
    except (OSError, DataError):
        return ""
