"""The terms of an operator's cost: numbers of tiles, of steps inside them, of pixels and of vectors.

Kernels of neural nets compute a tile of `mr` pixels by `nr` channels at a time and go through the channels they read in
groups of `kr`; what hangs over the edge of a tile costs as much as a full one. Sizes of tiles differ between CPUs and
are found by fitting.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from edgecnn.errors import UsageError
from edgecnn.formats import Operator

Tile = tuple[int, int, int]
"""(pixels, channels out, channels in) that a kernel works on at a time."""

MATRIX_TILES: tuple[Tile, ...] = tuple(
    itertools.product((1, 2, 3, 4, 5, 6, 7, 8, 12, 14, 16), (4, 8, 12, 16, 32, 64), (1, 2, 4, 8))
)
VECTOR_TILES: tuple[Tile, ...] = tuple(itertools.product((1,), (4, 8, 16, 32, 64), (1, 2, 4, 8)))
UNROLLED = 8
"""Channels that a step of an unrolled loop reads."""
VECTOR = 16
"""Values that the widest step of an elementwise kernel takes on most CPUs."""
CACHES = (32_000, 400_000, 1_600_000)
"""Weights beyond which they may come from a slower memory; a product with a vector uses each of them once."""
FREE = "free"
"""The kind of an operator that a runtime makes part of another."""
TILED = frozenset({"conv", "pointwise", "dense", "depthwise 3x3", "depthwise 5x5", "depthwise"})
"""Kinds whose tiles are looked for."""
ELEMENTWISE = {"add": "add", "mul": "scale", "sub": "scale", "div": "scale"}


def kinds(operators: Sequence[Operator]) -> list[str]:
    """Return the kind of each operator of a file, as far as costs go.

    Padding in front of a convolution is free, for XNNPACK makes it part of the convolution.
    """
    return [_kind(operator, reader) for operator, reader in itertools.zip_longest(operators, operators[1:])][
        : len(operators)
    ]


def _kind(operator: Operator, reader: Operator | None) -> str:
    if operator.kind == "pad" and reader is not None and reader.kind in ("conv", "depthwise", "pointwise"):
        return FREE
    if operator.kind in ("conv", "pointwise"):
        if math.prod(operator.output_shape[1:3]) == 1:
            return "dense"  # one pixel is a product with a vector
        return "pointwise" if operator.kernel == (1, 1) and operator.stride == 1 else "conv"
    if operator.kind == "depthwise":
        size = "x".join(map(str, operator.kernel))
        return f"depthwise {size}" if size in ("3x3", "5x5") else "depthwise"
    if operator.kind in ELEMENTWISE:
        return f"{ELEMENTWISE[operator.kind]}{' with activation' if operator.is_rectified else ''}"
    return operator.kind


def terms(kind: str, operator: Operator, tile: Tile) -> dict[str, float]:
    """Return what an operator's cost is a weighted sum of, by name.

    Raises:
        UsageError: There is no model of such an operator.
    """
    _, nr, kr = tile
    if kind == FREE:
        return {}
    if kind in ("conv", "pointwise"):
        return _matrix(operator, tile)
    if kind == "dense":
        inner, units = operator.channels or (0, 0)
        taps, columns = math.prod(operator.kernel), _ceil_div(units, nr)
        return {
            "layer": 1,
            "columns": columns,
            "taps": columns * taps,
            "steps of 8": columns * taps * (inner // UNROLLED),
            "rest steps": columns * taps * _ceil_div(inner % UNROLLED, kr),
            "ragged column": units % nr > 0,
            "weights": inner * units * taps,
            **{f"weights beyond {size:,}": max(0, inner * units * taps - size) for size in CACHES},
        }
    if kind.startswith("depthwise"):
        _, height, width, units = operator.output_shape
        pixels, taps = height * width, math.prod(operator.kernel)
        each = 1 if kind != "depthwise" else taps
        return {
            "layer": 1,
            "pixels": pixels,
            "rows": height,
            "tiles": pixels * (units // nr) * each,
            "rest of tiles": pixels * _ceil_div(units % nr, 2 * kr) * each,
            "ragged": pixels * (units % nr > 0) * each,
            "weights": units * taps,
        }
    return _plain(kind, operator)


def _matrix(operator: Operator, tile: Tile) -> dict[str, float]:
    mr, nr, kr = tile
    _, height, width, units = operator.output_shape
    inner, _ = operator.channels or (0, 0)
    pixels, taps = height * width, math.prod(operator.kernel)
    rows, columns = _ceil_div(pixels, mr), _ceil_div(units, nr)
    tiles = rows * columns
    return {
        "layer": 1,
        "pixels": pixels,
        "values": pixels * units,
        "rows": rows,
        "columns": columns,
        "row taps": rows * taps,
        "tiles": tiles,
        "taps": tiles * taps,
        "steps of 8": tiles * taps * (inner // UNROLLED),
        "rest steps": tiles * taps * _ceil_div(inner % UNROLLED, kr),
        "ragged column": rows * (units % nr > 0),
        "weights": inner * units * taps,
    }


def _plain(kind: str, operator: Operator) -> dict[str, float]:
    """Return the terms of an operator that multiplies nothing with learnt weights."""
    values = math.prod(operator.output_shape)
    if kind.startswith(("add", "scale")):
        return {"layer": 1, "vectors": values // VECTOR, "rest": values % VECTOR, "ragged": values % VECTOR > 0}
    if kind == "reshape":
        return {"layer": 1, "values": values}
    if len(operator.input_shape) == 4:
        _, height, width, channels = operator.input_shape
        if kind == "mean":
            pixels = height * width
            return {
                "layer": 1,
                "pixels": pixels,
                "vectors": _ceil_div(channels, VECTOR),
                **_lanes(pixels, channels),
            }
        if kind in ("max pool", "average pool"):
            _, height, width, _ = operator.output_shape
            pixels, taps = height * width, math.prod(operator.kernel)
            more = {"rows": height, "taps": pixels * taps, "vector taps": pixels * taps * (channels // VECTOR)}
            return {"layer": 1, "pixels": pixels, **more, **_lanes(pixels, channels)}
        if kind == "pad":
            rows, pixels = operator.output_shape[1], math.prod(operator.output_shape[1:3])
            return {"layer": 1, "rows": rows, "pixels": pixels, "pixels read": height * width, "values": values}
    raise UsageError(
        f"The cost of {operator.label!r} is not predicted: no designed file has such an operator.",
        "`edgecnn bench --profile` measures every operator of a file",
    )


def _lanes(pixels: int, channels: int) -> dict[str, float]:
    """Return how many vectors a kernel takes for each pixel: whole ones, and halves, quarters and less of the rest."""
    return {
        "pixel vectors": pixels * (channels // 16),
        "rests of 8": pixels * (channels % 16 // 8),
        "rests of 4": pixels * (channels % 8 // 4),
        "rests of 2": pixels * (channels % 4 // 2),
        "rests of 1": pixels * (channels % 2),
        "ragged": pixels * (channels % 16 > 0),
    }


def _ceil_div(number: int, size: int) -> int:
    return -(-number // size)
