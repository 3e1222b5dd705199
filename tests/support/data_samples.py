"""Small data sets in the real layouts, made on the spot."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.data import cifar10, fashion_mnist
from edgecnn.data._fetch import Content


def picture(seed: int, height: int = 12, width: int = 12, channels: int = 3) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def class_folders(root: Path, classes: Iterable[str] = ("cat", "dog"), count: int = 5, seed: int = 0) -> Path:
    """`root/<class>/*.png`, every picture another one."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(count):
            picture(seed + 1000 * label + i).save(root / name / f"{i:03}.png")
    return root


def train_and_test(root: Path, count: int = 5) -> Path:
    class_folders(root / "train", count=count)
    class_folders(root / "test", count=2, seed=500)
    return root


def idx(array: np.ndarray) -> bytes:
    sizes = np.array(array.shape, dtype=">u4").tobytes()
    return b"\0\0\x08" + bytes([array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def fashion_files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The four .gz files of a Fashion-MNIST of 30 + 20 pictures, which the plug-in takes for the published one."""
    rng = np.random.default_rng(0)
    files = {}
    for part, count in (("train", 30), ("t10k", 20)):
        arrays = {"images-idx3": rng.integers(0, 256, (count, 28, 28)), "labels-idx1": np.arange(count) % 10}
        for kind, array in arrays.items():
            name, content = f"{part}-{kind}-ubyte", idx(array)
            packed = files[f"{name}.gz"] = gzip.compress(content)
            published = (hashlib.sha256(packed).hexdigest(), len(packed))
            inside = Content(hashlib.sha256(content).hexdigest(), len(content))
            monkeypatch.setitem(fashion_mnist.FILES, name, (published, inside))
    return files


def cifar_archive(monkeypatch: pytest.MonkeyPatch, per_batch: int = 10) -> bytes:
    """An archive in CIFAR-10's layout, which the plug-in takes for the published one.

    Picture i of a batch is of class i % 10, red all i, green all 100, blue all 200.
    """
    record = [np.concatenate([[i % 10], np.repeat([i, 100, 200], 1024)]) for i in range(per_batch)]
    batch = np.array(record, dtype=np.uint8).tobytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in (*cifar10.TRAIN_MEMBERS, *cifar10.TEST_MEMBERS):
            member = tarfile.TarInfo(name)
            member.size = len(batch)
            archive.addfile(member, io.BytesIO(batch))
    content = packed.getvalue()
    monkeypatch.setattr(cifar10, "SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(cifar10, "ARCHIVE_BYTES", len(content))
    return content
