"""Small pictures with known faults: a disk whose colour is the class, on a ground of any colours."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

COLOURS = {"blue": (30, 60, 230), "green": (20, 200, 40), "red": (230, 30, 30), "white": (250, 250, 250)}
SIDE = 64
MAKE, ORIENTATION = 0x010F, 0x0112


def picture(name: str, seed: int) -> Image.Image:
    """A disk of the class's colour on a ground that tells nothing."""
    rng = np.random.default_rng(seed)
    ground = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize((SIDE, SIDE))
    noisy = np.asarray(ground, dtype=np.int64) + rng.integers(-30, 31, (SIDE, SIDE, 1))
    image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    left, top, side = (int(value) for value in rng.integers((16, 16, 24), (22, 22, 30)))
    ImageDraw.Draw(image).ellipse((left, top, left + side, top + side), fill=COLOURS[name])
    return image


def folder(root: Path, train: int = 15, test: int = 5, classes: tuple[str, ...] = tuple(COLOURS)) -> Path:
    """Write `train` and `test` pictures of every class, without any fault."""
    for number, name in enumerate(classes):
        for index in range(train + test):
            path = root / ("train" if index < train else "test") / name / f"{index:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(name, 1000 * number + index).save(path)
    return root


def with_faults(root: Path) -> dict[str, set[str]]:
    """Write pictures with faults; return those of each kind by their path, and classes by name."""
    folder(root)
    train, test = root / "train", root / "test"
    for path in sorted(root.glob("*/blue/*.png")):  # another camera
        tags = Image.Exif()
        tags[MAKE] = "Leica"
        Image.open(path).save(path, exif=tags)
    for path in sorted(root.glob("*/green/*.png")):  # a frame
        image = Image.open(path)
        ImageDraw.Draw(image).rectangle((0, 0, SIDE - 1, SIDE - 1), outline=(255, 0, 255), width=4)
        image.save(path)
    (train / "red" / "000.png").rename(train / "white" / "wrong.png")
    (test / "red" / "015.png").rename(test / "white" / "wrong.png")
    _change(train / "red" / "001.png", lambda image: image.filter(ImageFilter.GaussianBlur(8)))
    _change(train / "red" / "002.png", lambda image: image.point(lambda value: value // 8))
    _change(train / "red" / "003.png", lambda image: Image.new("RGB", image.size, (9, 90, 200)))
    _change(train / "white" / "001.png", lambda image: image.resize((12, 12)))
    _change(train / "white" / "002.png", lambda image: image.crop((0, 16, SIDE, 40)))
    tags = Image.Exif()
    tags[ORIENTATION] = 6
    Image.open(train / "white" / "003.png").rotate(90).save(train / "white" / "003.png", exif=tags)
    broken = train / "white" / "004.png"
    broken.write_bytes(broken.read_bytes()[:300])
    shutil.copy(test / "red" / "016.png", train / "red" / "leak.png")
    shutil.copy(train / "red" / "005.png", train / "white" / "twice.png")
    shutil.copy(train / "red" / "006.png", train / "red" / "again.png")
    Image.open(test / "white" / "016.png").save(train / "white" / "near.jpg", quality=60)
    return {
        "labels": {"train/white/wrong.png", "test/white/wrong.png", "train/white/twice.png"},
        "background": {"green"},
        "camera": {"blue"},
        "two classes": {"train/red/005.png", "train/white/twice.png"},
        "copies across splits": {"train/red/leak.png"},
        "near-copies across splits": {"train/white/near.jpg"},
        "copies": {"train/red/again.png"},
        "unreadable": {"train/white/004.png"},
        "blurred": {"train/red/001.png"},
        "dark": {"train/red/002.png"},
        "one colour": {"train/red/003.png"},
        "tiny": {"train/white/001.png"},
        "odd shape": {"train/white/002.png"},
        "turned by EXIF": {"train/white/003.png"},
    }


def _change(path: Path, way: Callable[[Image.Image], Image.Image]) -> None:
    way(Image.open(path).convert("RGB")).save(path)
