"""Bundles of models small enough to know every number in, written without a converter."""

from __future__ import annotations

import dataclasses
import functools
import io
import struct
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tiny_models
from PIL import Image

from edgecnn import formats
from edgecnn.common import stats
from edgecnn.onboard import runtimes, tensors
from edgecnn.pipeline.deploy import bundle
from edgecnn.pipeline.deploy.bundle import Bundle
from edgecnn.records import artifact
from edgecnn.records.artifact import Artifact, Preprocessing
from edgecnn.records.certainty import Bootstrapped, Certainty, Fit, Outlook, Risk
from edgecnn.records.recipe import DataPlan, NetPlan, Recipe
from edgecnn.records.resizing import CROP
from edgecnn.testing import samples

SIZE, CHANNELS = 8, 3
LABELS = ("cat", "dog", "owl")
KERNEL = tiny_models.weights(SIZE, SIZE, CHANNELS, len(LABELS))


def images(count: int = 32, seed: int = 1) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, CHANNELS), dtype=np.uint8)


def exported(
    folder: Path,
    kind: str = "int8",
    seed: int = 0,
    run: str | None = "animals",
    run_sha256: str | None = None,
    labels: tuple[str, ...] = LABELS,
) -> Artifact:
    """A model file with its card and golden vectors, as an export leaves them: "int8", "fp32" or "onnx"."""
    folder.mkdir(parents=True, exist_ok=True)
    held = dict(np.load(folder / "golden.npz")) if (folder / "golden.npz").is_file() else {"images": images()}
    kernel = KERNEL if seed == 0 else tiny_models.weights(SIZE, SIZE, CHANNELS, len(LABELS), seed)
    if kind == "onnx":
        path = tiny_models.linear_onnx(folder / "animals-fp32.onnx", kernel)
    else:
        path = tiny_models.linear_tflite(folder / f"animals-{kind}.tflite", kernel, int8=kind == "int8")
    file = Artifact(
        path=path,
        description=formats.describe(path),
        preprocessing=Preprocessing(height=SIZE, width=SIZE, channels=CHANNELS, colour_order="RGB", resize=CROP.rule),
        labels=labels,
        run=run,
        run_sha256=run_sha256,
    )
    artifact.write_card(file)
    np.savez(folder / "golden.npz", **held | {file.name: outputs(file, images())})
    return file


@functools.cache
def _described() -> Artifact:
    with tempfile.TemporaryDirectory() as folder:
        return exported(Path(folder))


def doubtful(
    file: Artifact | None = None, least_share: float | None = None, outlook: Outlook | None = None, **rule: Any
) -> Artifact:
    """The file as a calibration leaves it, with these thresholds; without a file, one that is nowhere any more."""
    estimate = Bootstrapped(value=1.0, low=0.5, high=2.0)
    fit = Fit(error_pp=estimate, loss=estimate)
    chosen = Certainty(
        **{"temperature": 2.0, "score": "max-softmax", "least_score": None, "keep_percent": 95.0, **rule},
        validation_n=61,
        before=fit,
        after=fit,
        risk=Risk(
            max_percent=5.0, confidence_percent=95.0, least_share=least_share, bound_percent=4.0,
            answered=stats.wilson(50, 61), wrong=1, needed_n=104,
        ),
        outlook=outlook,
    )  # fmt: skip
    return dataclasses.replace(file or _described(), certainty=chosen)


def outputs(file: Artifact, shown: npt.NDArray[np.uint8]) -> npt.NDArray[np.generic]:
    """The file's raw output tensors, by its runtime."""
    (name,) = runtimes.for_format(file.description.format)
    session = runtimes.get(name).open_session(file.path, 1)
    encoded = tensors.encode(shown, file.description.input, file.preprocessing)
    return np.concatenate([session(encoded[i : i + 1]) for i in range(len(encoded))])


def made(folder: Path, kind: str = "int8", seed: int = 0) -> Bundle:
    return bundle.make(exported(folder, kind, seed))


def unpacked(folder: Path, kind: str = "int8", seed: int = 0) -> Path:
    """A bundle on disk, as a device has it."""
    made(folder / "exported", kind, seed).write(folder / "bundle")
    return folder / "bundle"


def run_folder(folder: Path, kinds: Sequence[str] = ("int8", "fp32", "onnx")) -> Path:
    """A finished run named like its folder, its files exported."""
    recipe = Recipe(name="animals", data=DataPlan(name="digits"), net=NetPlan(name="dscnn"))
    finished = samples.write_run(folder, recipe, input_shape=(CHANNELS, SIZE, SIZE), labels=LABELS)
    for kind in kinds:
        exported(finished.artifacts, kind, run=folder.name)
    return folder


def picture(pixels: npt.NDArray[np.uint8]) -> bytes:
    """uint8 (H, W, C) as PNG, which loses nothing."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes that declares far more pixels than it brings."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
