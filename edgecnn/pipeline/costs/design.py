"""The designed set: small files whose layers cover what nets are made of, drawn by a seed.

A file is a stack of one to a few layers, for costs add up. Sizes are drawn on a logarithmic scale, with channels on and
off the multiples that kernels work in.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgecnn.nets.sketch import FileLayer

CHANNELS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 18, 20, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 320)
SIDES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 15, 16, 20, 24, 28, 32, 40, 48, 56, 64)
KERNELS = (1, 3, 3, 3, 5, 7)
UNITS = (2, 10, 12, 16, 32, 64, 100, 128, 256, 640, 1000, 1280)
MOST_MACS = 6_000_000
MOST_WEIGHTS = 4_000_000
MOST_VALUES = 120_000
"""Bounds for one layer, so that a set is measured in minutes on an emulated board."""
SHARES = (
    ("conv", 34), ("pointwise", 34), ("depthwise", 34), ("dense", 36), ("add", 22), ("max pool", 12),
    ("average pool", 8), ("mean", 20), ("pad", 20), ("flatten", 6), ("stack", 28),
)  # fmt: skip
"""How many files of each kind there are in a set of size 1."""


@dataclass(frozen=True)
class Designed:
    """One file of the set."""

    name: str
    picture: tuple[int, int, int]
    """(H, W, C) of its input."""
    layers: tuple[FileLayer, ...]


def files(size: float = 1.0, seed: int = 0) -> list[Designed]:
    """Return the set; a `size` of 0.5 has half as many files of each kind."""
    designed = []
    for kind, share in SHARES:
        drawn = random.Random(f"{kind} {seed}")  # so that a kind's files are the same whatever the others are
        for number in range(max(2, round(share * size))):
            picture, layers = _DRAWN[kind](drawn)
            designed.append(Designed(f"{kind.replace(' ', '-')}-{number:03}", picture, tuple(layers)))
    return designed


Stack = tuple[tuple[int, int, int], list[FileLayer]]


def _conv(drawn: random.Random, kernels: Sequence[int] = KERNELS[1:], deep: bool = False) -> Stack:
    while True:
        side, channels = drawn.choice(SIDES), drawn.choice(CHANNELS)
        kernel, stride = drawn.choice(kernels), drawn.choice((1, 1, 1, 2))
        units = channels if deep else drawn.choice(CHANNELS[3:])
        picture = (side, side, channels)
        layers = convolved(picture, units, kernel, stride, -1, deep)
        height, width, _ = layers[-1].shape
        macs = height * width * kernel**2 * units * (1 if deep else channels)
        if macs <= MOST_MACS and side**2 * max(channels, units) <= MOST_VALUES and (channels > 1 or not deep):
            return picture, layers


def convolved(
    picture: Sequence[int], units: int, kernel: int, stride: int, source: int, deep: bool = False
) -> list[FileLayer]:
    """Return a convolution that reads the layer `source`, with the padding before it that its stride needs."""
    height, width, channels = picture
    layers = []
    is_padded = kernel > 1
    if stride > 1 and kernel > 1 and not (height % 2 and width % 2):
        grown = (height + kernel - 1, width + kernel - 1, channels)
        layers.append(FileLayer(kind="pad", inputs=(source,), shape=grown))
        source, is_padded = source + 1, False
    layers.append(
        FileLayer(
            kind="depthwise" if deep else "conv",
            inputs=(source,),
            shape=(-(-height // stride), -(-width // stride), units),
            channels_in=channels,
            kernel=(kernel, kernel),
            stride=stride,
            is_padded=is_padded,
            is_rectified=True,
        )
    )
    return layers


def _picture(drawn: random.Random, least_side: int = 1) -> tuple[int, int, int]:
    while True:
        side, channels = drawn.choice([s for s in SIDES if s >= least_side]), drawn.choice(CHANNELS)
        if side**2 * channels <= MOST_VALUES:
            return side, side, channels


def _dense(drawn: random.Random) -> Stack:
    """Draw one to four dense layers behind a picture, with weights that fit a cache and weights that do not."""
    while True:
        side, channels = drawn.choice(SIDES), drawn.choice((1, 3, 16, 64))
        units = [side**2 * channels, *(drawn.choice(UNITS) for _ in range(drawn.choice((1, 1, 2, 3, 4))))]
        if sum(inputs * outputs for inputs, outputs in itertools.pairwise(units)) <= MOST_WEIGHTS:
            layers = [FileLayer(kind="flatten", inputs=(-1,), shape=(units[0],))]
            for place, (inputs, outputs) in enumerate(itertools.pairwise(units)):
                layers.append(FileLayer(kind="dense", inputs=(place,), shape=(outputs,), channels_in=inputs))
            return (side, side, channels), layers


def _add(drawn: random.Random) -> Stack:
    picture = _picture(drawn)
    pool = FileLayer(kind="max pool", inputs=(-1,), shape=picture, kernel=(1, 1), channels_in=picture[2])
    first = convolved(picture, picture[2], 3, 1, -1, deep=True) if picture[2] > 1 else [pool]
    return picture, [
        *first,
        FileLayer(kind="add", inputs=(0, -1), shape=picture, is_rectified=drawn.random() < 0.6),
    ]


def _pool(kind: str) -> Callable[[random.Random], Stack]:
    def draw(drawn: random.Random) -> Stack:
        height, width, channels = picture = _picture(drawn, 3)
        kernel, stride = drawn.choice(((2, 2), (2, 2), (2, 2), (3, 2), (2, 1)))
        shape = ((height - kernel) // stride + 1, (width - kernel) // stride + 1, channels)
        layer = FileLayer(
            kind="max pool" if kind == "max" else "average pool", inputs=(-1,), shape=shape, kernel=(kernel, kernel),
            stride=stride, channels_in=channels,
        )  # fmt: skip
        return picture, [layer]

    return draw


def _mean(drawn: random.Random) -> Stack:
    picture = _picture(drawn, 2)
    return picture, [FileLayer(kind="mean", inputs=(-1,), shape=(picture[2],))]


def _pad(drawn: random.Random) -> Stack:
    """Draw padding before a pool, for padding that is all of a file runs on a kernel of its own."""
    height, width, channels = picture = _picture(drawn, 2)
    grow = drawn.choice((2, 2, 2, 4))
    grown, halved = (height + grow, width + grow, channels), ((height + grow) // 2, (width + grow) // 2, channels)
    pad = FileLayer(kind="pad", inputs=(-1,), shape=grown)
    return picture, [
        pad, FileLayer(kind="max pool", inputs=(0,), shape=halved, kernel=(2, 2), stride=2, channels_in=channels)
    ]  # fmt: skip


def _flatten(drawn: random.Random) -> Stack:
    picture = _picture(drawn, 2)
    size = picture[0] * picture[1] * picture[2]
    return picture, [FileLayer(kind="flatten", inputs=(-1,), shape=(size,))]


def _stack(drawn: random.Random) -> Stack:
    """Draw a small net: a stem and then three to ten convolutions, with a head."""
    side, units = drawn.choice((16, 20, 24, 28, 32)), drawn.choice((8, 12, 16, 20, 24))
    picture = (side, side, drawn.choice((1, 3)))
    layers = convolved(picture, units, 3, drawn.choice((1, 2)), -1)
    for _ in range(drawn.randint(3, 8)):
        shape = layers[-1].shape
        place = len(layers) - 1
        kind = drawn.choice(("conv", "separable", "separable", "pool"))
        if kind == "pool" and min(shape[:2]) > 3:
            half = (shape[0] // 2, shape[1] // 2, shape[2])
            layers.append(
                FileLayer(kind="max pool", inputs=(place,), shape=half, kernel=(2, 2), stride=2, channels_in=half[2])
            )
            continue
        if kind == "separable":
            layers += convolved(shape, shape[2], drawn.choice((3, 3, 5)), 1, place, deep=True)
            layers += convolved(shape, shape[2], 1, 1, len(layers) - 1)
        else:
            layers += convolved(shape, shape[2], 3, 1, place)
        layers.append(FileLayer(kind="add", inputs=(len(layers) - 1, place), shape=shape, is_rectified=True))
    channels = layers[-1].shape[-1]
    layers.append(FileLayer(kind="mean", inputs=(len(layers) - 1,), shape=(channels,)))
    layers.append(FileLayer(kind="dense", inputs=(len(layers) - 1,), shape=(10,), channels_in=channels))
    return picture, layers


_DRAWN: dict[str, Callable[[random.Random], Stack]] = {
    "conv": _conv,
    "pointwise": lambda drawn: _conv(drawn, (1,)),
    "depthwise": lambda drawn: _conv(drawn, deep=True),
    "dense": _dense,
    "add": _add,
    "max pool": _pool("max"),
    "average pool": _pool("average"),
    "mean": _mean,
    "pad": _pad,
    "flatten": _flatten,
    "stack": _stack,
}
