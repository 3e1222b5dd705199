"""CIFAR-10, 32 x 32 RGB: 50,000 + 10,000 photographs in 10 classes (A. Krizhevsky, 2009).

They are read from the official binary archive. Its page gives the md5 c32a1d4ab5d03f1284b67883e8d87530; the sha256
below is that of the same 170,052,171 bytes. No pickle is loaded and nothing is unpacked to disk.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgecnn.common.cache import data_folder
from edgecnn.data import Split, _fetch

LICENCE = "none stated by its authors (Krizhevsky, 2009)"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {}

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
ARCHIVE_BYTES = 170_052_171
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN_MEMBERS = tuple(f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6))
TEST_MEMBERS = ("cifar-10-batches-bin/test_batch.bin",)
RECORD_BYTES = 1 + 3 * 32 * 32
"""Bytes of an image: its label, then the red, the green and the blue plane."""


def load(path: str = "") -> tuple[Split, Split]:
    """Load the training and the test split, uint8 (N, 32, 32, 3).

    Args:
        path: the archive, or the folder it is in. Without it, the archive is looked for in the data folder and else
            downloaded there from its author's site.

    Raises:
        DataError: the archive is missing or broken.
        EnvironmentUnfit: it cannot be downloaded.
    """
    source = _fetch.Download(URL, SHA256, ARCHIVE_BYTES)
    if path:
        place = Path(path).expanduser()
        place = place / source.name if place.is_dir() else place
        content = _fetch.read(source, place, f"the option path names {source.name} or its folder")
    else:
        folder = data_folder() / "cifar10"
        content = _fetch.read_or_download(source, folder, f"put {source.name} into {folder}")
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        return _split(archive, TRAIN_MEMBERS), _split(archive, TEST_MEMBERS)


def _split(archive: tarfile.TarFile, members: Sequence[str]) -> Split:
    # Read into memory by name. The archive's sha256 was checked, so all members are there.
    streams = [archive.extractfile(member) for member in members]
    content = b"".join(stream.read() for stream in streams if stream is not None)
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, RECORD_BYTES)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)  # (N, C, H, W)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))  # (N, H, W, C)
    return Split(images, records[:, 0].astype(np.int64), CLASSES)
