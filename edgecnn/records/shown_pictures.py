"""The few test pictures that an evaluation keeps beside its record: a report shows them without the data set.

<run>/evaluation/pictures.npz
    indices     int64 (M,): the place of each among the pictures that were shown
    truth       int64 (M,): the number of its true class
    images      uint8 (M, H, W, C): as the model took them
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import arrays, documents, files
from edgecnn.common.documents import Missing, Unreadable
from edgecnn.errors import UsageError

FILE = "pictures.npz"
NAMES = ("indices", "truth", "images")
KIND = documents.Kind(
    name="pictures", words="the test pictures of an evaluation", error=UsageError, hint="run `edgecnn eval` again"
)


@dataclass(frozen=True, eq=False)
class ShownPictures:
    """Some test pictures."""

    indices: npt.NDArray[np.int64]
    """(M,)"""
    truth: npt.NDArray[np.int64]
    """(M,)"""
    images: npt.NDArray[np.uint8]
    """(M, H, W, C)"""

    def picture_at(self, index: int) -> npt.NDArray[np.uint8] | None:
        """Return the picture at a place among those that were shown, (H, W, C); None if it was not kept."""
        places = np.flatnonzero(self.indices == index)
        return self.images[places[0]] if len(places) else None


def write(pictures: ShownPictures, folder: Path) -> None:
    """Write the pictures into the folder of their evaluation, atomically.

    Raises:
        OutputError: They cannot be written.
    """
    stream = io.BytesIO()
    np.savez_compressed(stream, indices=pictures.indices, truth=pictures.truth, images=pictures.images)
    files.write_bytes(folder / FILE, stream.getvalue())


def read(folder: Path) -> ShownPictures | None:
    """Read the pictures of an evaluation; None if it kept none, as an early one did.

    Raises:
        UsageError: The file is something else.
    """
    path = folder / FILE
    with KIND.expected(path):
        try:
            table = arrays.read(path, NAMES)
        except Missing:
            return None
        indices, truth, images = (table[name] for name in NAMES)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape[1:3]:
            raise Unreadable("its images are none")
        if not len(indices) == len(truth) == len(images) or indices.ndim != 1 or truth.ndim != 1:
            raise Unreadable("its arrays do not fit each other")
        return ShownPictures(indices.astype(np.int64), truth.astype(np.int64), images)
