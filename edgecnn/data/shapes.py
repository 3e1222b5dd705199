"""Shapes: any number of generated 32 x 32 colour pictures whose classes have one known cause.

What the label depends on is the `task`; all else (texture, outline, place, scale, colours, clutter, noise) is drawn
without regard to it.

    shape      the outline, whatever fills it
    texture    what fills it, whatever the outline
    direction  where an arrow points, so that a mirror turns left into right
    relation   whether four distant marks are alike along rows or along columns

"relation" is made so that only a field that holds two marks can tell. Four marks, two of either kind, stand at the
corners of a square. Any picture has the same four marks, so a bag of them tells nothing; either kind is as likely at
any corner in both classes, so no mark tells anything, even with its place. A field whose side is below `distance`
pixels holds no two marks, nor a mark and a part of the border, which would say what corner it is.
(What remains is the grid of a strided net: choose distance + 1 divisible by the stride, so that all four marks fall
on it alike.)

Picture i depends on the seed and i alone: a longer set begins with the shorter one. A set that is large is generated
into a file of the cache, a block at a time, and stays there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import edgecnn
from edgecnn.common import console, documents
from edgecnn.common.cache import cache_folder
from edgecnn.data import Images, Split, _stored
from edgecnn.errors import PlanError, nearest

LICENCE = "that of this package: they are generated"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {}
"""What the labels survive depends on the task, which no list of a data set can say: a mirror swaps left and right in
"direction" and the two diagonals in "texture", and leaves "shape" and "relation" as they are."""

OUTLINES = ("disc", "ring", "square", "triangle", "cross", "arrow")
TEXTURES = ("horizontal", "vertical", "rising", "falling", "checks", "dots")
TASKS: Mapping[str, tuple[str, ...]] = {
    "shape": OUTLINES[:5],
    "texture": TEXTURES,
    "direction": ("right", "down", "left", "up"),
    "relation": ("rows alike", "columns alike"),
}

BLOCK = 256
"""Pictures that share a random generator. Part of what decides the pixels: another number gives other pictures."""
MARK = 3
"""Side of a mark in pixels."""
BITS = 10
"""Most pieces of clutter in a picture."""
NOISE = 31
"""Largest difference noise makes between two pixels of one colour; one less than a power of 2."""

Bytes = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Scene:
    task: str
    distance: int
    clutter: float
    size: int
    smallest: int
    largest: int


MOST_BYTES = 100_000_000_000
"""Of the pictures of a split."""


def load(
    count: int = 10_000,
    test: int = 2_000,
    seed: int = 0,
    task: str = "shape",
    distance: int = 8,
    clutter: float = 0.5,
    size: int = 32,
    smallest: int = 12,
    largest: int = 24,
) -> tuple[Split, Split]:
    """(train, test), uint8 (N, size, size, 3); every class as often as any other, but for the remainder.

    count: training pictures.
    test: test pictures; they are drawn from another stream, so both counts may grow without moving the other split.
    seed: of both streams.
    task: what decides the label: "shape", "texture", "direction" or "relation".
    distance: of two marks in the task "relation": side in pixels of the smallest square that touches both.
    clutter: share of BITS bars behind the object or the marks, from 0 to 1.
    size: side of a picture in pixels.
    smallest, largest: range of the object's side in pixels.
    smallest: see above.
    largest: see above.

    Raises PlanError for numbers out of range.
    """
    _require(count >= 1 and test >= 1, f"count = {count}, test = {test} should be at least 1")
    _require(seed >= 0, f"seed = {seed} should not be negative")
    if task not in TASKS:
        raise PlanError(f"[data]: task = {task!r} is unknown.", nearest(task, TASKS))
    _require(0 <= clutter <= 1, f"clutter = {clutter} should lie in [0, 1]")
    _require(size >= 8, f"size = {size} should be at least 8")
    for pictures in (count, test):
        most = MOST_BYTES // (3 * size**2)
        _require(pictures <= most, f"{pictures:,} pictures of {size} x {size} pixels are more than {most:,}, 100 GB")
    if task == "relation":
        _require(2 <= distance <= size // 3, f"distance = {distance} should lie between 2 and size // 3 = {size // 3}")
    else:
        fits = 4 <= smallest <= largest <= size - 2
        _require(fits, f"smallest = {smallest}, largest = {largest} should rise from 4 to size - 2 = {size - 2}")
    scene = _Scene(task, distance, clutter, size, smallest, largest)
    return _split(count, [seed, 0], scene), _split(test, [seed, 1], scene)


def _require(met: bool, sentence: str) -> None:
    if not met:
        raise PlanError(f"[data]: {sentence}.")


def _split(count: int, stream: list[int], scene: _Scene) -> Split:
    classes = TASKS[scene.task]
    labels = np.arange(count, dtype=np.int64) % len(classes)
    shape = (count, scene.size, scene.size, 3)
    return Split(_pictures(shape, stream, scene), labels, classes)


def _pictures(shape: tuple[int, ...], stream: list[int], scene: _Scene) -> Images:
    if math.prod(shape) <= _stored.LARGE_BYTES:
        images = np.empty(shape, dtype=np.uint8)
        for number, block in enumerate(_blocks(shape[0], stream, scene)):
            images[number * BLOCK : number * BLOCK + len(block)] = block
        return images
    # NumPy may draw other numbers in another version, as may this file.
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    decided_by = documents.to_json(
        [source, np.__version__, edgecnn.__version__, shape, stream, dataclasses.astuple(scene)], None
    )
    path = cache_folder() / "generated" / f"{hashlib.sha256(decided_by.encode()).hexdigest()[:32]}.npy"
    found = _stored.opened(path, shape)
    if found is None:
        found = _stored.made(path, shape, _blocks(shape[0], stream, scene))
        console.note(f"generated {shape[0]:,} pictures into {path}")
    return found


def _blocks(count: int, stream: list[int], scene: _Scene) -> Iterator[Bytes]:
    """The pictures (n, S, S, 3), up to BLOCK at a time."""
    with console.progress("generating pictures", count) as advance:
        for start in range(0, count, BLOCK):
            # A block is drawn whole and then cut, so that its pictures do not depend on how many are wanted.
            whole = np.arange(start, start + BLOCK) % len(TASKS[scene.task])
            rng = np.random.default_rng([*stream, start // BLOCK])
            block = _draw(rng, whole, scene)[: count - start]
            yield block
            advance(len(block))


def _draw(rng: np.random.Generator, labels: Labels, scene: _Scene) -> Bytes:
    """The pictures (N, S, S, 3) of labels (N,): painted as numbers of colours, then coloured, then made noisy."""
    n = len(labels)
    ids = np.zeros((n, scene.size, scene.size), dtype=np.uint8)  # 0 is the background
    if scene.task == "relation":  # muted, so that nothing has the colour of a mark
        background = 128 + rng.uniform(-10, 10, (n, 1, 3))
        bits = background + rng.uniform(-30, 30, (n, BITS, 1)) + rng.uniform(-10, 10, (n, BITS, 3))
    else:
        background = rng.uniform(90, 165, (n, 1, 1)) + rng.uniform(-25, 25, (n, 1, 3))
        bits = rng.uniform(20, 235, (n, BITS, 3))
    _clutter(rng, ids, scene.clutter)
    colours = _marks(rng, ids, labels, scene) if scene.task == "relation" else _object(rng, ids, labels, scene)
    palette = np.concatenate([background, bits, colours], axis=1)  # (N, 3 + BITS, 3)
    # Darker by the mean of the noise, which is then added without a sign: nothing leaves 0..255.
    palette = np.clip(palette - NOISE / 2, 0, 255 - NOISE).astype(np.uint8)
    which = ids + len(palette[0]) * np.arange(n)[:, None, None]
    images: Bytes = palette.reshape(-1, 3).take(which, axis=0)  # (N, S, S, 3)
    images += rng.integers(0, 256, images.shape, dtype=np.uint8) // np.uint8(256 // (NOISE + 1))
    return images


def _clutter(rng: np.random.Generator, ids: Bytes, share: float) -> None:
    """Paint bars, upright or lying, 1 or 2 pixels thick, with the colours 1 to BITS."""
    n, size, _ = ids.shape
    lying = rng.random((n, BITS)) < 0.5
    length, thickness = rng.integers(3, 10, (n, BITS)), rng.integers(1, 3, (n, BITS))
    top, left = rng.integers(0, size - 1, (2, n, BITS))
    shown = rng.random((n, BITS)) < share
    height, width = np.where(lying, thickness, length), np.where(lying, length, thickness)
    height *= shown
    for bit in range(BITS):
        _paint(ids, top[:, bit], left[:, bit], height[:, bit], width[:, bit], bit + 1)


def _marks(rng: np.random.Generator, ids: Bytes, labels: Labels, scene: _Scene) -> Plane:
    """Paint the four marks; their colours (N, 2, 3), one of either kind."""
    n = len(labels)
    step = scene.distance + MARK - 2
    # `distance - 2` free pixels, so that a field with a mark and padding in it has a side of `distance` at least.
    free = max(0, scene.distance - 2)
    top, left = rng.integers(free, scene.size - free - step - MARK, (2, n), endpoint=True)
    first = rng.integers(0, 2, n)  # the kind at the upper left
    side = np.full(n, MARK)
    for row in range(2):
        for column in range(2):
            kind = first ^ np.where(labels == 0, row, column)
            _paint(ids, top + row * step, left + column * step, side, side, BITS + 1 + kind)
    warm, cool = np.array([225, 90, 35]), np.array([35, 110, 225])
    return (np.stack([warm, cool]) + rng.uniform(-25, 25, (n, 2, 3))).astype(np.float32)


def _paint(ids: Bytes, top: Labels, left: Labels, height: Labels, width: Labels, colour: int | Labels) -> None:
    """Give a rectangle of each picture a colour's number; what lies outside is left out."""
    place = np.arange(ids.shape[1])
    rows = (place >= top[:, None]) & (place < (top + height)[:, None])  # (N, S)
    columns = (place >= left[:, None]) & (place < (left + width)[:, None])
    inside = rows[:, :, None] & columns[:, None, :]
    np.copyto(ids, np.broadcast_to(np.asarray(colour, dtype=np.uint8).reshape(-1, 1, 1), ids.shape), where=inside)


def _object(rng: np.random.Generator, ids: Bytes, labels: Labels, scene: _Scene) -> Plane:
    """Paint one textured object; its colours (N, 2, 3), a dark and a bright one, on either side of the background."""
    n = len(labels)
    outline = labels if scene.task == "shape" else rng.integers(0, len(TASKS["shape"]), n)
    turn = rng.uniform(-np.pi / 9, np.pi / 9, n)
    if scene.task == "direction":
        outline = np.full(n, OUTLINES.index("arrow"))
        turn = turn + labels * (np.pi / 2)
    texture = labels if scene.task == "texture" else rng.integers(0, len(TEXTURES), n)
    radius = rng.uniform(scene.smallest, scene.largest, n) / 2
    x, y = radius + rng.random((2, n)) * (scene.size - 1 - 2 * radius)

    u, v = _turned(scene.size, x, y, turn, 1 / radius)
    inside = _by_kind(outline, _INSIDE, u, v)
    angle = rng.uniform(-np.pi / 24, np.pi / 24, n) + np.array([2, 0, 1, 3, 0, 0])[texture] * (np.pi / 4)
    period = rng.uniform(4, 7, n)
    a, b = _turned(scene.size, x + period * rng.random(n), y + period * rng.random(n), angle, 1 / period)
    bright = _by_kind(texture, _BRIGHT, a, b)
    np.copyto(ids, bright.view(np.uint8) + np.uint8(BITS + 1), where=inside)

    tones = np.array([[45], [212]]) + rng.uniform(-20, 20, (n, 2, 1))
    return (tones + rng.uniform(-35, 35, (n, 2, 3))).astype(np.float32)


def _turned(
    size: int, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], angle: npt.NDArray[np.float64],
    scale: npt.NDArray[np.float64],
) -> tuple[Plane, Plane]:  # fmt: skip
    """Coordinates (N, S, S) of every pixel about (x, y), along axes turned clockwise by `angle`, times `scale`."""
    place = np.arange(size)
    right, down = place - x[:, None], place - y[:, None]  # (N, S)
    along, across = (scale * np.cos(angle))[:, None], (scale * np.sin(angle))[:, None]

    def plane(columns: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]) -> Plane:
        return columns.astype(np.float32)[:, None, :] + rows.astype(np.float32)[:, :, None]

    return plane(along * right, across * down), plane(-across * right, along * down)


Kind = Callable[[Plane, Plane], Mask]


def _by_kind(kinds: Labels, functions: tuple[Kind, ...], a: Plane, b: Plane) -> Mask:
    """(N, S, S): each picture by the function of its kind."""
    result = np.empty(a.shape, dtype=np.bool_)
    for kind in np.unique(kinds):
        chosen = np.flatnonzero(kinds == kind)
        result[chosen] = functions[kind](a[chosen], b[chosen])
    return result


def _disc(u: Plane, v: Plane) -> Mask:
    return u * u + v * v < 1


def _ring(u: Plane, v: Plane) -> Mask:
    squared = u * u + v * v
    return (squared < 1) & (squared > 0.3)


def _square(u: Plane, v: Plane) -> Mask:
    return np.maximum(np.abs(u), np.abs(v)) < 0.78


def _triangle(u: Plane, v: Plane) -> Mask:
    return (v < 0.5) & (v + 1 > np.float32(np.sqrt(3)) * np.abs(u))


def _cross(u: Plane, v: Plane) -> Mask:
    u, v = np.abs(u), np.abs(v)
    return (np.minimum(u, v) < 0.3) & (np.maximum(u, v) < 0.92)


def _arrow(u: Plane, v: Plane) -> Mask:
    wide = np.abs(v)
    return (u > -0.95) & (u < 1 - wide) & ((u > 0) | (wide < 0.35))


def _stripes(a: Plane, b: Plane) -> Mask:
    return a - np.floor(a) < 0.5


def _checks(a: Plane, b: Plane) -> Mask:
    return _stripes(a, b) ^ _stripes(b, a)


def _dots(a: Plane, b: Plane) -> Mask:
    a, b = a - np.floor(a) - 0.5, b - np.floor(b) - 0.5
    return a * a + b * b < 0.36**2


_INSIDE: tuple[Kind, ...] = (_disc, _ring, _square, _triangle, _cross, _arrow)
"""Of OUTLINES, in units of the object's radius; `v` points down, an arrow along `u`."""
_BRIGHT: tuple[Kind, ...] = (_stripes, _stripes, _stripes, _stripes, _checks, _dots)
"""Of TEXTURES, in units of their period."""
