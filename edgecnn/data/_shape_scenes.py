"""The images of `shapes`: painted as indices of colours, then coloured, then made noisy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.data._shape_figures import OUTLINES, TEXTURES, Labels, Plane, bright, pixels_inside, rotated_grid

TASKS: Mapping[str, tuple[str, ...]] = {
    "shape": OUTLINES[:5],
    "texture": TEXTURES,
    "direction": ("right", "down", "left", "up"),
    "relation": ("rows alike", "columns alike"),
}
"""The classes of every task."""

MARK = 3
"""Side of a mark in pixels."""
BARS = 10
"""Most bars of clutter in an image."""
NOISE = 31
"""Largest difference that noise makes between two pixels of one colour; one less than a power of 2."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """The options that all images of a data set share; `shapes.load` describes them."""

    task: str
    distance: int
    clutter: float
    size: int
    smallest: int
    largest: int


def draw(rng: np.random.Generator, labels: Labels, scene: Scene) -> Bytes:
    """Draw the images, uint8 (N, S, S, 3), of labels (N,)."""
    n = len(labels)
    ids = np.zeros((n, scene.size, scene.size), dtype=np.uint8)  # indices of colours; 0 is the background
    if scene.task == "relation":  # muted colours, so that none is a mark's
        background = 128 + rng.uniform(-10, 10, (n, 1, 3))
        bars = background + rng.uniform(-30, 30, (n, BARS, 1)) + rng.uniform(-10, 10, (n, BARS, 3))
    else:
        background = rng.uniform(90, 165, (n, 1, 1)) + rng.uniform(-25, 25, (n, 1, 3))
        bars = rng.uniform(20, 235, (n, BARS, 3))
    _clutter(rng, ids, scene.clutter)
    colours = _marks(rng, ids, labels, scene) if scene.task == "relation" else _object(rng, ids, labels, scene)
    palette = np.concatenate([background, bars, colours], axis=1)  # (N, 3 + BARS, 3)
    # Darker by the mean of the noise, which is then added unsigned, so that all values stay in 0..255.
    palette = np.clip(palette - NOISE / 2, 0, 255 - NOISE).astype(np.uint8)
    rows = ids + len(palette[0]) * np.arange(n)[:, None, None]
    images: Bytes = palette.reshape(-1, 3).take(rows, axis=0)  # (N, S, S, 3)
    images += rng.integers(0, 256, images.shape, dtype=np.uint8) // np.uint8(256 // (NOISE + 1))
    return images


def _clutter(rng: np.random.Generator, ids: Bytes, share: float) -> None:
    """Paint up to BARS bars into each image, upright or lying, 1 or 2 pixels thick, with the colours 1 to BARS."""
    n, size, _ = ids.shape
    lying = rng.random((n, BARS)) < 0.5
    length, thickness = rng.integers(3, 10, (n, BARS)), rng.integers(1, 3, (n, BARS))
    top, left = rng.integers(0, size - 1, (2, n, BARS))
    shown = rng.random((n, BARS)) < share
    height, width = np.where(lying, thickness, length), np.where(lying, length, thickness)
    height *= shown
    for bar in range(BARS):
        _paint(ids, top[:, bar], left[:, bar], height[:, bar], width[:, bar], bar + 1)


def _marks(rng: np.random.Generator, ids: Bytes, labels: Labels, scene: Scene) -> Plane:
    """Paint the four marks of the task "relation" and return their two colours, (N, 2, 3)."""
    n = len(labels)
    step = scene.distance + MARK - 2
    # `distance - 2` free pixels, so that a field with a mark and padding in it has a side of `distance` at least.
    free = max(0, scene.distance - 2)
    top, left = rng.integers(free, scene.size - free - step - MARK, (2, n), endpoint=True)
    first = rng.integers(0, 2, n)  # the kind of the mark at the upper left
    side = np.full(n, MARK)
    for row in range(2):
        for column in range(2):
            kind = first ^ np.where(labels == 0, row, column)
            _paint(ids, top + row * step, left + column * step, side, side, BARS + 1 + kind)
    warm, cool = np.array([225, 90, 35]), np.array([35, 110, 225])
    return (np.stack([warm, cool]) + rng.uniform(-25, 25, (n, 2, 3))).astype(np.float32)


def _paint(ids: Bytes, top: Labels, left: Labels, height: Labels, width: Labels, colour: int | Labels) -> None:
    """Paint a rectangle into each image with the colour of that index; what lies outside the image is cut off."""
    place = np.arange(ids.shape[1])
    rows = (place >= top[:, None]) & (place < (top + height)[:, None])  # (N, S)
    columns = (place >= left[:, None]) & (place < (left + width)[:, None])
    colours = np.broadcast_to(np.asarray(colour, dtype=np.uint8).reshape(-1, 1, 1), ids.shape)
    np.copyto(ids, colours, where=rows[:, :, None] & columns[:, None, :])


def _object(rng: np.random.Generator, ids: Bytes, labels: Labels, scene: Scene) -> Plane:
    """Paint a textured object and return its two colours, (N, 2, 3), darker and brighter than the background."""
    n = len(labels)
    outline = labels if scene.task == "shape" else rng.integers(0, len(TASKS["shape"]), n)
    turn = rng.uniform(-np.pi / 9, np.pi / 9, n)
    if scene.task == "direction":
        outline = np.full(n, OUTLINES.index("arrow"))
        turn = turn + labels * (np.pi / 2)
    texture = labels if scene.task == "texture" else rng.integers(0, len(TEXTURES), n)
    radius = rng.uniform(scene.smallest, scene.largest, n) / 2
    x, y = radius + rng.random((2, n)) * (scene.size - 1 - 2 * radius)

    in_object = pixels_inside(outline, *rotated_grid(scene.size, (x, y), turn, 1 / radius))
    angle = rng.uniform(-np.pi / 24, np.pi / 24, n) + np.array([2, 0, 1, 3, 0, 0])[texture] * (np.pi / 4)
    period = rng.uniform(4, 7, n)
    origin = x + period * rng.random(n), y + period * rng.random(n)
    is_bright = bright(texture, *rotated_grid(scene.size, origin, angle, 1 / period))
    np.copyto(ids, is_bright.view(np.uint8) + np.uint8(BARS + 1), where=in_object)

    tones = np.array([[45], [212]]) + rng.uniform(-20, 20, (n, 2, 1))
    return (tones + rng.uniform(-35, 35, (n, 2, 3))).astype(np.float32)
