"""Numbers and facts of every picture, from one pass over the files in all processes.

Nothing of the size of the pictures is kept: 1.6 kB of numbers a picture, so that 100,000 take 160 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import data
from edgecnn.common import console
from edgecnn.data import Picture
from edgecnn.onboard import preprocessing

SIDE = 256
"""Longest side, in pixels, at which light and sharpness are measured: what nets see of a larger picture."""
GRID, BLOCK = 8, 16
"""The picture is squashed to GRID x GRID blocks of BLOCK x BLOCK pixels, each of which is described by its own."""
BINS = 6
"""Directions of edges that a block tells apart."""
PER_BLOCK = 6 + BINS
"""Numbers of a block: mean and deviation of each channel, and how much of its edges lie in each direction."""
STANDARD_LUMA = 3688
"""Sum of the luminance table of ITU-T T.81, annex K, which libjpeg scales by the quality."""
FACTS = ("format", "mode", "width", "height", "orientation", "camera", "JPEG quality")
"""What a file says of itself; width and height are those that are stored."""
MAKE, MODEL, ORIENTATION = 0x010F, 0x0110, 0x0112
"""EXIF tags."""

Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Measures:
    """Brightness, sharpness and other measures of N pictures; zeros for one that cannot be read."""

    low: Numbers
    """(N,) luma that a twentieth of the pixels do not exceed, 0 to 255."""
    middle: Numbers
    """(N,) the median of luma."""
    high: Numbers
    """(N,) luma that a twentieth of the pixels exceed."""
    sharpness: Numbers
    """(N,) variance of the Laplacian of luma, at the sharpest tenth of the picture."""
    blocks: npt.NDArray[np.float16]
    """(N, GRID, GRID, PER_BLOCK) descriptions of the blocks."""
    facts: npt.NDArray[np.int32]
    """(N, len(FACTS)) places in `values`."""
    values: tuple[tuple[str, ...], ...]
    """The values that each fact has among the pictures."""

    def fact(self, name: str) -> npt.NDArray[np.str_]:
        """Return what the files say of one of FACTS, (N,)."""
        place = FACTS.index(name)
        return np.array(self.values[place], dtype=np.str_)[self.facts[:, place]]


def measure(pictures: Sequence[Picture]) -> Measures:
    """Measure every picture (N,)."""
    count = len(pictures)
    light = np.zeros((count, 4), dtype=np.float32)
    blocks = np.zeros((count, GRID, GRID, PER_BLOCK), dtype=np.float16)
    facts = np.zeros((count, len(FACTS)), dtype=np.int32)
    known: list[dict[str, int]] = [{} for _ in FACTS]
    done = 0
    with console.progress("measuring pictures", count) as advance:
        for chunk in data.in_processes(_measure_all, pictures):
            for numbers, described, told in chunk:
                light[done], blocks[done] = numbers, described
                facts[done] = [places.setdefault(fact, len(places)) for places, fact in zip(known, told, strict=True)]
                done += 1
            advance(len(chunk))
    low, middle, high, sharp = light.T
    return Measures(low, middle, high, sharp, blocks, facts, tuple(tuple(places) for places in known))


def _measure_all(pictures: Sequence[Picture]) -> list[tuple[Numbers, npt.NDArray[np.float16], tuple[str, ...]]]:
    return [_measure(picture) for picture in pictures]


def _measure(picture: Picture) -> tuple[Numbers, npt.NDArray[np.float16], tuple[str, ...]]:
    """Return (low, middle, high, sharpness), the blocks, and the facts of a picture; zeros if it cannot be read."""
    from PIL import Image, ImageOps

    try:
        with preprocessing.opened(data.source(picture)) as opened:
            facts = _facts(opened)
            if opened.mode in ("L", "RGB"):
                opened.draft("RGB", (SIDE, SIDE))  # decodes a large JPEG at an eighth of the cost
                image = ImageOps.exif_transpose(opened).convert("RGB")
            else:
                image = preprocessing.upright(data.source(picture)).convert("RGB")
        squashed = np.asarray(image.resize((GRID * BLOCK, GRID * BLOCK), Image.Resampling.BILINEAR), dtype=np.float32)
        image.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
        luma = np.asarray(image.convert("L"), dtype=np.float32)
        return np.array([*np.percentile(luma, (5, 50, 95)), sharpness(luma)], np.float32), described(squashed), facts
    except MemoryError:
        raise
    except Exception:  # Pillow's readers may raise anything; decoding the picture reports what is wrong with it
        return np.zeros(4, np.float32), np.zeros((GRID, GRID, PER_BLOCK), np.float16), ("",) * len(FACTS)


def sharpness(luma: Numbers) -> float:
    """Return the variance of the Laplacian of luma (H, W), at the sharpest tenth of GRID x GRID parts.

    The variance of the Laplacian is Pech-Pacheco et al.'s measure of focus (2000, ICPR 3:314); that of the sharpest
    parts alone, since a background may be out of focus.
    """
    if min(luma.shape) < 2 * GRID:
        return 0.0
    centre = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * centre
    parts = [part.var() for rows in np.array_split(laplacian, GRID) for part in np.array_split(rows, GRID, axis=1)]
    return float(np.percentile(parts, 90))


def described(pixels: Numbers) -> npt.NDArray[np.float16]:
    """Describe the blocks of pixels (GRID x BLOCK, GRID x BLOCK, 3): colours, and directions of edges.

    The shares of directions, weighted by the edges' strength, are those of Dalal and Triggs (2005, CVPR).

    Returns:
        (GRID, GRID, PER_BLOCK), every number about 0 to 1.
    """
    parts = pixels.reshape(GRID, BLOCK, GRID, BLOCK, 3) / 255  # (GRID, BLOCK, GRID, BLOCK, 3)
    luma = pixels.mean(2)
    down, across = np.gradient(luma)
    strength, direction = np.hypot(down, across), np.mod(np.arctan2(down, across), np.pi)
    which = np.minimum((direction * (BINS / np.pi)).astype(int), BINS - 1)
    edges = np.stack([np.where(which == place, strength, 0) for place in range(BINS)], axis=2)
    sums = edges.reshape(GRID, BLOCK, GRID, BLOCK, BINS).mean((1, 3))  # (GRID, GRID, BINS)
    return np.concatenate([parts.mean((1, 3)), parts.std((1, 3)), np.sqrt(sums) / 8], axis=2).astype(np.float16)


def _facts(opened: Any) -> tuple[str, ...]:
    """Return what an opened picture says of itself, in the order of FACTS."""
    tags = opened.getexif()
    camera = " ".join(str(tags[tag]).strip("\0 ") for tag in (MAKE, MODEL) if tags.get(tag)) or "none named"
    orientation = str(tags.get(ORIENTATION, 1))
    width, height = opened.size
    return (
        str(opened.format), opened.mode, str(width), str(height), orientation, camera, _jpeg_quality(opened)
    )  # fmt: skip


def _jpeg_quality(opened: Any) -> str:
    """Return the quality by which libjpeg would scale the luminance table so, to 5; "none" for other formats."""
    tables = getattr(opened, "quantization", None)
    if not tables or 0 not in tables:
        return "none"
    scale = 100 * sum(tables[0]) / STANDARD_LUMA
    quality = 100 - scale / 2 if scale <= 100 else 5000 / scale
    return f"{max(1, min(100, round(quality / 5) * 5))}"
