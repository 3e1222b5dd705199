"""What a filter looks like, in three numbers: how well a Gabor function fits it, how oriented and how coloured it is.

A Gabor function is a wave under a Gaussian window, the shape of simple cells' receptive fields (J. P. Jones and L. A.
Palmer, 1987, Journal of Neurophysiology 58:1233) and of what first layers of CNNs grow (Krizhevsky, Sutskever and
Hinton, 2012, NeurIPS, figure 3). Nine weights are fitted by something whatever they are, so each number means
something only beside that of random filters, `random_filters`.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Filters = npt.NDArray[np.float64]
"""(F, C, k, k)."""
PerFilter = npt.NDArray[np.float64]
"""(F,), from 0 to 1."""

ORIENTATIONS = 16
WAVELENGTHS = (2.0, 2.5, 3.0, 4.0, 6.0)
"""Pixels: from the shortest a grid holds to twice a 3x3 filter's side."""
WINDOWS = (0.5, 0.7, 1.0, 1.5)
"""Standard deviations of the window, in halves of the filter's side."""


def gabor_fit(filters: Filters) -> PerFilter:
    """The share of a filter's energy that the best centred Gabor function explains, R^2 of least squares.

    Orientation, wavelength and window are searched on a grid; amplitude and phase, which enter linearly, are solved
    for (variable projection: Golub and Pereyra, 1973, SIAM Journal on Numerical Analysis 10:413). A coloured filter is
    fitted by one Gabor function in one colour: with Q an orthonormal basis of its two phases, the largest squared
    singular value of Q^T w, w being (k k, C).
    """
    count, channels, side, _ = filters.shape
    bases = _bases(side)  # (G, 2, k k)
    flat = filters.reshape(count, channels, side * side)
    on_phases = np.einsum("gpk,fck->fgpc", bases, flat)
    product = np.einsum("fgpc,fgqc->fgpq", on_phases, on_phases)  # (F, G, 2, 2)
    half_trace = (product[..., 0, 0] + product[..., 1, 1]) / 2
    spread = np.hypot((product[..., 0, 0] - product[..., 1, 1]) / 2, product[..., 0, 1])
    explained: PerFilter = (half_trace + spread).max(1) / _energy(filters)
    return explained


def orientation(filters: Filters) -> PerFilter:
    """How much of a filter's spectrum lies along one direction: |sum E exp(2 i angle)| / sum E, 1 for a single one.

    The resultant length of the spectral energy's angles, doubled since a direction has no sign (K. V. Mardia, 1972,
    Statistics of Directional Data); the mean and the corners beyond the grid's frequency are left out.
    """
    size = 16
    spectrum = (np.abs(np.fft.fft2(filters, (size, size))) ** 2).sum(1)  # (F, 16, 16)
    frequency = np.fft.fftfreq(size)
    v, u = np.meshgrid(frequency, frequency, indexing="ij")
    counted = (np.hypot(u, v) <= 0.5) & (np.hypot(u, v) > 0)
    energy = np.where(counted, spectrum, 0)
    turned = energy * np.exp(2j * np.arctan2(v, u))
    length: PerFilter = np.abs(turned.sum((1, 2))) / np.maximum(energy.sum((1, 2)), 1e-30)
    return length


def chroma(filters: Filters) -> PerFilter:
    """The share of a filter's energy that sees no grey: what is left once the mean over channels is taken away."""
    grey = filters.mean(1, keepdims=True)
    coloured: PerFilter = ((filters - grey) ** 2).sum((1, 2, 3)) / _energy(filters)
    return coloured


@functools.cache
def random_filters(channels: int, side: int, count: int = 4000) -> Filters:
    """Weights from N(0, 1), as nets start with up to a factor: (count, channels, side, side)."""
    return np.random.default_rng(0).standard_normal((count, channels, side, side))


def _energy(filters: Filters) -> npt.NDArray[np.float64]:
    energy: npt.NDArray[np.float64] = np.maximum((filters**2).sum((1, 2, 3)), 1e-30)
    return energy


@functools.cache
def _bases(side: int) -> npt.NDArray[np.float64]:
    """Orthonormal pairs (G, 2, k k): a Gabor function's even and odd phase, for every point of the grid."""
    place = np.arange(side) - (side - 1) / 2
    y, x = np.meshgrid(place, place, indexing="ij")
    found = []
    for angle in np.arange(ORIENTATIONS) * np.pi / ORIENTATIONS:
        along = x * np.cos(angle) + y * np.sin(angle)
        for wavelength in WAVELENGTHS:
            for window in WINDOWS:
                weight = np.exp(-(x**2 + y**2) / (2 * (window * side / 2) ** 2))
                phase = 2 * np.pi * along / wavelength
                pair = np.stack([weight * np.cos(phase), weight * np.sin(phase)]).reshape(2, -1)
                # Even and odd are orthogonal; the odd one vanishes where its wave's zeros fall on the grid.
                lengths = np.linalg.norm(pair, axis=1, keepdims=True)
                found.append(np.where(lengths > 1e-9, pair / np.maximum(lengths, 1e-9), 0))
    return np.stack(found)
