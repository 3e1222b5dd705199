"""Shapes: any number of generated 32 x 32 RGB images whose classes have one known cause.

The `task` says what the label depends on; everything else (texture, outline, place, scale, colours, clutter, noise) is
drawn independently of it.

    shape      the outline, whatever fills it
    texture    what fills it, whatever the outline
    direction  where an arrow points, so that a mirror turns left into right
    relation   whether four distant marks are alike along rows or along columns

The task "relation" can be solved only with a receptive field that holds two marks. Four marks, two of each kind, lie at
the corners of a square. All images have the same four marks, so a bag of them tells nothing; each kind is equally
likely at every corner in both classes, so a single mark tells nothing either, even with its place. A field whose side
is below `distance` pixels holds no two marks, nor a mark and a part of the border that would tell its corner. (What
remains is the grid of a strided net: choose distance + 1 divisible by the stride, so that all four marks lie on it
alike.)

Image i depends on the seed and i alone, so a larger set begins with the smaller one. A large set is generated block by
block into a file in the cache folder, and stays there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

import edgecnn
from edgecnn.common import console, documents
from edgecnn.common.cache import cache_folder
from edgecnn.data import Images, Split, _stored
from edgecnn.data._shape_scenes import MARK as MARK
from edgecnn.data._shape_scenes import NOISE as NOISE
from edgecnn.data._shape_scenes import TASKS as TASKS
from edgecnn.data._shape_scenes import Bytes, Scene, draw
from edgecnn.errors import PlanError, nearest

LICENCE = "that of this package: they are generated"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {}
"""Empty, although which augmentations keep the labels depends on the task: a flip swaps left and right in "direction"
and the two diagonals in "texture", and changes nothing in "shape" and "relation"."""

BLOCK = 256
"""Images that share a random generator. Another number would give other images."""
MOST_BYTES = 100_000_000_000
"""Most bytes of the images of a split."""


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
    """Generate the training and the test split, with the same number of images in each class (give or take one).

    Args:
        count: training images.
        test: test images. They have a random stream of their own, so either number may grow without changing the
            other split.
        seed: of both streams.
        task: what decides the label: "shape", "texture", "direction" or "relation".
        distance: of two marks in the task "relation": side in pixels of the smallest square that touches both.
        clutter: share of the 10 bars that are shown behind the object or the marks, from 0 to 1.
        size: side of an image in pixels.
        smallest: smallest side of the object in pixels.
        largest: largest side of the object in pixels.

    Returns:
        Splits of uint8 (N, size, size, 3).

    Raises:
        PlanError: a number is out of range, or the task is unknown.
    """
    _require(count >= 1 and test >= 1, f"count = {count}, test = {test} should be at least 1")
    _require(seed >= 0, f"seed = {seed} should not be negative")
    if task not in TASKS:
        raise PlanError(f"[data]: task = {task!r} is unknown.", nearest(task, TASKS))
    _require(0 <= clutter <= 1, f"clutter = {clutter} should lie in [0, 1]")
    _require(size >= 8, f"size = {size} should be at least 8")
    most = MOST_BYTES // (3 * size**2)
    for images in (count, test):
        _require(images <= most, f"{images:,} pictures of {size} x {size} pixels are more than {most:,}, 100 GB")
    if task == "relation":
        _require(2 <= distance <= size // 3, f"distance = {distance} should lie between 2 and size // 3 = {size // 3}")
    else:
        fits = 4 <= smallest <= largest <= size - 2
        _require(fits, f"smallest = {smallest}, largest = {largest} should rise from 4 to size - 2 = {size - 2}")
    scene = Scene(task, distance, clutter, size, smallest, largest)
    return _split(count, [seed, 0], scene), _split(test, [seed, 1], scene)


def _require(met: bool, sentence: str) -> None:
    if not met:
        raise PlanError(f"[data]: {sentence}.")


def _split(count: int, stream: list[int], scene: Scene) -> Split:
    classes = TASKS[scene.task]
    labels = np.arange(count, dtype=np.int64) % len(classes)
    shape = (count, scene.size, scene.size, 3)
    return Split(_images(shape, stream, scene), labels, classes)


def _images(shape: tuple[int, ...], stream: list[int], scene: Scene) -> Images:
    """Generate the images (N, S, S, 3) in memory, or, if they are large, in a file of the cache."""
    if math.prod(shape) <= _stored.LARGE_BYTES:
        images = np.empty(shape, dtype=np.uint8)
        for i, block in enumerate(_blocks(shape[0], stream, scene)):
            images[i * BLOCK : i * BLOCK + len(block)] = block
        return images
    key = documents.to_json(
        [_source_sha256(), np.__version__, edgecnn.__version__, shape, stream, dataclasses.astuple(scene)], None
    )
    path = cache_folder() / "generated" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"
    stored = _stored.opened(path, shape)
    if stored is None:
        stored = _stored.made(path, shape, _blocks(shape[0], stream, scene))
        console.note(f"generated {shape[0]:,} pictures into {path}")
    return stored


def _source_sha256() -> str:
    """Return a digest of all the code that draws the images, since a change of it may change them."""
    sources = sorted(Path(__file__).parent.glob("*shape*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _blocks(count: int, stream: list[int], scene: Scene) -> Iterator[Bytes]:
    """Yield the images (n, S, S, 3), up to BLOCK at a time."""
    with console.progress("generating pictures", count) as advance:
        for start in range(0, count, BLOCK):
            # A block is drawn whole and then cut, so that its images do not depend on how many are asked for.
            labels = np.arange(start, start + BLOCK) % len(TASKS[scene.task])
            rng = np.random.default_rng([*stream, start // BLOCK])
            block = draw(rng, labels, scene)[: count - start]
            yield block
            advance(len(block))
