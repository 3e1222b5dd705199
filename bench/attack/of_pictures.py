"""Damaged pictures of every format that is read, through doctor, a training's listing and a deployed model."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import fuzz
import numpy as np

NAMES: dict[str, dict[str, Any]] = {
    "x.png": {}, "x.jpg": {}, "x.gif": {}, "x.bmp": {}, "x.webp": {}, "x.ppm": {}, "x.avif": {}, "plain.tif": {},
    "lzw.tif": {"compression": "tiff_lzw"}, "deflated.tif": {"compression": "tiff_adobe_deflate"},
    "scans.jpg": {"progressive": True}, "lossless.webp": {"lossless": True},
}  # fmt: skip
"""Names of the damaged file, each with the options of its encoder."""
MODEL = Path(__file__).parents[2] / "models" / "zoo" / "colour-10k"
RECIPE = """epochs = 1
batch_size = 4
precision = "fp32"
num_threads = 1
[data]
name = "folder"
path = "pictures"
size = 8
[net]
name = "mlp"
hidden = 4
last = 4
"""
COMMANDS = (
    ("doctor", "model.tflite", "--pictures", "pictures"),
    ("pyz", "bundle", "classify", "pictures"),
    ("train", "tiny.toml"),
    ("train", "tiny.toml", "-s", "data.skip_broken=true"),
)
WARM = ("torch", "edgecnn.pipeline.train.train", "imagehash", "scipy.stats")


def attack(scratch: Path) -> dict[str, Any]:
    """Damage one picture among sound ones, and show the folder to all who read pictures."""
    from edgecnn import formats
    from edgecnn.pipeline.deploy import bundle

    shutil.rmtree(scratch, ignore_errors=True)
    sound = scratch / "sound"
    for label in ("airplane", "cat"):
        (sound / "pictures" / label).mkdir(parents=True)
        for number in range(4):
            (sound / "pictures" / label / f"{number}.png").write_bytes(_encoded("png", {}, label, number))
    (sound / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    model = next((MODEL / "artifacts").glob("*-int8.tflite"))
    shutil.copy(model, sound / "model.tflite")
    bundle.make(formats.choose(MODEL, "tflite", "int8")).write(sound / "bundle")
    targets = []
    for name, options in NAMES.items():
        kind = name.rpartition(".")[2]
        if not _is_written_here(kind):
            continue
        place = scratch / f"sound-{name}"
        shutil.copytree(sound, place)
        (place / "pictures" / "airplane" / name).write_bytes(_encoded(kind, options, "airplane", 9))
        targets.append(fuzz.Target(folder=place, file=f"pictures/airplane/{name}", commands=COMMANDS))
    os.environ["XDG_CACHE_HOME"] = str(scratch / "cache")
    return fuzz.attack("pictures", targets, scratch / "work", warm=WARM)


def _encoded(kind: str, options: dict[str, Any], label: str, number: int) -> bytes:
    from PIL import Image

    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 120, (24, 32, 3)) + (120 if label == "airplane" else 0)
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, Image.registered_extensions()[f".{kind}"], **options)
    return stream.getvalue()


def _is_written_here(kind: str) -> bool:
    from PIL import Image, features

    Image.init()
    return kind != "avif" or bool(features.check("avif"))
