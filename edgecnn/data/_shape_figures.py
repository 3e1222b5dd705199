"""The outlines and textures of `shapes`: for every pixel, whether it lies inside one, or is bright."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

OUTLINES = ("disc", "ring", "square", "triangle", "cross", "arrow")
TEXTURES = ("horizontal", "vertical", "rising", "falling", "checks", "dots")

Floats = npt.NDArray[np.float64]
Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int64]
Figure = Callable[[Plane, Plane], Mask]
"""Takes two coordinates of every pixel."""


def rotated_grid(size: int, center: tuple[Floats, Floats], angle: Floats, scale: Floats) -> tuple[Plane, Plane]:
    """Return coordinates (N, S, S) of every pixel of N square images, along axes of their own.

    Args:
        size: S, the side of an image in pixels.
        center: x and y, (N,) each, of the axes' origin in pixels.
        angle: (N,) radians, by which the axes are rotated clockwise.
        scale: (N,) by which the coordinates are multiplied.
    """
    x, y = center
    place = np.arange(size)
    across, down = place - x[:, None], place - y[:, None]  # (N, S)
    cosine, sine = (scale * np.cos(angle))[:, None], (scale * np.sin(angle))[:, None]

    def plane(columns: Floats, rows: Floats) -> Plane:
        return columns.astype(np.float32)[:, None, :] + rows.astype(np.float32)[:, :, None]

    return plane(cosine * across, sine * down), plane(-sine * across, cosine * down)


def pixels_inside(outlines: Labels, u: Plane, v: Plane) -> Mask:
    """Return which pixels (N, S, S) lie inside each image's outline, an index (N,) into OUTLINES.

    u and v are (N, S, S), in units of the object's radius; v points down, and an arrow points along u.
    """
    return _by_index(outlines, _INSIDE, u, v)


def bright(textures: Labels, a: Plane, b: Plane) -> Mask:
    """Return which pixels (N, S, S) are bright in each image's texture, an index (N,) into TEXTURES.

    a and b are (N, S, S), in units of the texture's period.
    """
    return _by_index(textures, _BRIGHT, a, b)


def _by_index(indices: Labels, figures: tuple[Figure, ...], a: Plane, b: Plane) -> Mask:
    result = np.empty(a.shape, dtype=np.bool_)
    for index in np.unique(indices):
        chosen = np.flatnonzero(indices == index)
        result[chosen] = figures[index](a[chosen], b[chosen])
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


_INSIDE: tuple[Figure, ...] = (_disc, _ring, _square, _triangle, _cross, _arrow)
_BRIGHT: tuple[Figure, ...] = (_stripes, _stripes, _stripes, _stripes, _checks, _dots)
