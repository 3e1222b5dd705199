"""Three measures of a filter: how well a Gabor function fits it, how oriented it is, and how coloured.

A Gabor function is a wave under a Gaussian window, the shape of simple cells' receptive fields (J. P. Jones and L. A.
Palmer, 1987, Journal of Neurophysiology 58:1233) and of what first layers of CNNs grow (Krizhevsky, Sutskever and
Hinton, 2012, NeurIPS, figure 3). Any nine weights are fitted to some degree, so each measure
is meaningful only in comparison with that of random filters, `random_filters`.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Filters = npt.NDArray[np.float64]
"""Weights of F filters, (F, C, k, k)."""
PerFilter = npt.NDArray[np.float64]
"""One value from 0 to 1 per filter, (F,)."""

ORIENTATIONS = 16
WAVELENGTHS = (2.0, 2.5, 3.0, 4.0, 6.0)
"""Wavelengths in pixels, from the shortest that a pixel grid can hold to twice the side of a 3x3 filter."""
WINDOWS = (0.5, 0.7, 1.0, 1.5)
"""Standard deviations of the window, in units of half the filter's side."""


def gabor_fit(filters: Filters) -> PerFilter:
    """Compute the share of a filter's energy that the best centred Gabor function explains: R^2 of least squares.

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
    """Compute how much of a filter's spectrum lies along one direction: |sum E exp(2 i angle)| / sum E.

    This is the resultant length of the angles, weighted by spectral energy E and doubled since a direction has no sign
    (K. V. Mardia, 1972, Statistics of Directional Data). It is 1 for a single direction. Frequency 0 and the corners
    beyond the grid's frequency are left out.
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
    """Compute the share of a filter's energy that is left once the mean over channels is subtracted."""
    grey = filters.mean(1, keepdims=True)
    coloured: PerFilter = ((filters - grey) ** 2).sum((1, 2, 3)) / _energy(filters)
    return coloured


@functools.cache
def random_filters(channels: int, side: int, count: int = 4000) -> Filters:
    """Draw weights from N(0, 1), up to a factor a net's initial ones: (count, channels, side, side)."""
    return np.random.default_rng(0).standard_normal((count, channels, side, side))


def _energy(filters: Filters) -> npt.NDArray[np.float64]:
    energy: npt.NDArray[np.float64] = np.maximum((filters**2).sum((1, 2, 3)), 1e-30)
    return energy


@functools.cache
def _bases(side: int) -> npt.NDArray[np.float64]:
    """Return the even and odd phase of a Gabor function for every grid point, as orthonormal pairs (G, 2, k k)."""
    position = np.arange(side) - (side - 1) / 2
    y, x = np.meshgrid(position, position, indexing="ij")
    bases = []
    for angle in np.arange(ORIENTATIONS) * np.pi / ORIENTATIONS:
        along = x * np.cos(angle) + y * np.sin(angle)
        for wavelength in WAVELENGTHS:
            for window in WINDOWS:
                weight = np.exp(-(x**2 + y**2) / (2 * (window * side / 2) ** 2))
                phase = 2 * np.pi * along / wavelength
                pair = np.stack([weight * np.cos(phase), weight * np.sin(phase)]).reshape(2, -1)
                # The phases are orthogonal; the odd one vanishes if the zeros of its wave fall on the grid.
                lengths = np.linalg.norm(pair, axis=1, keepdims=True)
                bases.append(np.where(lengths > 1e-9, pair / np.maximum(lengths, 1e-9), 0))
    return np.stack(bases)
