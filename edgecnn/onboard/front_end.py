"""Turn the samples of a sound into the bytes of a net's input, equal to the last bit on every machine.

A matrix product may add up in any order and with or without fused steps, so floats differ from CPU to CPU. Here every
product and every sum is a whole number below 2^53, which float64 holds exactly: whatever the order, it comes out alike.
Cosines, windows, triangles and logarithms are tables that are rounded to steps far above a libm's error.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.errors import PlanError
from edgecnn.records.sound import FrontEnd

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SAMPLE_BITS = 15
FOURIER_BITS = 20
"""A cosine times the window is stored in steps of 2^-20."""
MAGNITUDE_BITS = 26
"""The largest magnitude is below 2^26, so that the sum of two squares is exact."""
MEL_BITS = 14
DCT_BITS = 12
OCTAVE = 1_024
"""Levels are in steps of 1/1024 of an octave of magnitude, 0.006 dB."""
LOG_INDICES = 4_096
"""Entries of the table of logarithms, one for each value of a mantissa's upper 12 bits."""
DB_PER_OCTAVE = 20 * math.log10(2)


@dataclass(frozen=True)
class Tables:
    """Whole numbers that depend on the front end alone."""

    fourier: Floats
    """(window, 2 B) cosines and sines of B bins, times the window's function."""
    scale: float
    """The power of two that brings a sum below 2^MAGNITUDE_BITS."""
    mel: Floats
    """(B, bands)."""
    reference: int
    """The level of a full-scale sine."""
    dct: Integers
    """(bands, columns); the identity for a log-mel."""
    low: Integers
    """(columns,) what becomes byte 0."""
    span: Integers
    """(columns,) from there to byte 255."""
    floor: int
    ceiling: int


def features(samples: npt.NDArray[np.int16], front_end: FrontEnd) -> npt.NDArray[np.uint8]:
    """Make the picture of one sound.

    Args:
        samples: (front_end.samples,).
        front_end: What kind of picture.

    Returns:
        uint8 (frames, columns, 1): time goes down, bands or coefficients go to the right.
    """
    known = tables(front_end)
    windows = np.lib.stride_tricks.sliding_window_view(samples, front_end.window)[:: front_end.hop]
    bins = len(known.mel)
    spectrum = np.rint((windows.astype(np.float64) @ known.fourier) * known.scale)  # (frames, 2 B)
    real, imaginary = spectrum[:, :bins], spectrum[:, bins:]
    magnitude = np.rint(np.sqrt(real * real + imaginary * imaginary))  # (frames, B)
    levels = log2(magnitude @ known.mel) - known.reference  # (frames, bands)
    values = levels.clip(known.floor, known.ceiling) @ known.dct  # (frames, columns)
    rounded = (510 * (values - known.low) + known.span) // (2 * known.span)
    return rounded.clip(0, 255).astype(np.uint8)[..., None]


def log2(values: Floats) -> Integers:
    """Return OCTAVE times the logarithm to base 2 of whole numbers, rounded; that of 0 is that of 1."""
    fraction, exponent = np.frexp(np.maximum(values, 1.0))  # fraction in [0.5, 1), both exact
    index = (fraction * (2 * LOG_INDICES)).astype(np.int64) - LOG_INDICES
    return (exponent.astype(np.int64) - 1) * OCTAVE + logarithms()[index]


@functools.cache
def logarithms() -> Integers:
    """Return OCTAVE * log2(1 + (i + 1/2) / LOG_INDICES), rounded, for each i."""
    entries = (OCTAVE * math.log2(1 + (i + 0.5) / LOG_INDICES) for i in range(LOG_INDICES))
    return np.array([round(entry) for entry in entries], dtype=np.int64)


@functools.lru_cache(maxsize=4)
def tables(front_end: FrontEnd) -> Tables:
    """Return the tables of a front end. Raises PlanError if a mel band is too narrow to hold a frequency."""
    size, triangles = front_end.window, _triangles(front_end)
    bins = [index for index, weights in enumerate(triangles) if any(weights)]
    largest = size / 2 * 2**SAMPLE_BITS * 2**FOURIER_BITS  # of a sum: the window's function adds up to half its length
    shift = max(0, math.ceil(math.log2(largest)) - MAGNITUDE_BITS)
    octave = OCTAVE / DB_PER_OCTAVE
    is_mfcc = front_end.kind == "mfcc"
    unit = 2**DCT_BITS if is_mfcc else 1
    edges = [[round(unit * octave * db) for db in pair] for pair in front_end.ranges_db]
    low, high = np.array(edges, dtype=np.int64).T
    return Tables(
        fourier=_fourier(size, bins),
        scale=2.0**-shift,
        mel=np.rint(2**MEL_BITS * np.array([triangles[index] for index in bins])),
        reference=round(OCTAVE * (math.log2(size / 4) + SAMPLE_BITS + FOURIER_BITS - shift + MEL_BITS)),
        dct=_dct(front_end) if is_mfcc else np.eye(front_end.bands, dtype=np.int64),
        low=low,
        span=high - low,
        floor=round(octave * front_end.low_db),
        ceiling=round(octave * front_end.high_db),
    )


def _fourier(size: int, bins: list[int]) -> Floats:
    """Return the cosines and the sines of bins, times a periodic Hann window, as whole numbers (size, 2 B)."""
    cosine = np.array([math.cos(2 * math.pi * n / size) for n in range(size)])
    sine = np.array([math.sin(2 * math.pi * n / size) for n in range(size)])
    window = 0.5 - 0.5 * cosine
    turns = np.arange(size)[:, None] * np.array(bins) % size  # (size, B)
    waves: Floats = np.concatenate([cosine[turns], sine[turns]], axis=1)
    table: Floats = np.rint(2**FOURIER_BITS * window[:, None] * waves)
    return table


def _triangles(front_end: FrontEnd) -> list[list[float]]:
    """Return the weight of each bin, up to half the sample rate, in each mel band."""
    low, high = _mel(front_end.low_hz), _mel(front_end.high_hz)
    step = (high - low) / (front_end.bands + 1)
    places = [_mel(index * front_end.sample_rate_hz / front_end.window) for index in range(front_end.window // 2 + 1)]
    weights = [
        [max(0.0, 1 - abs(place - low - (band + 1) * step) / step) for band in range(front_end.bands)]
        for place in places
    ]
    empty = [band for band in range(front_end.bands) if not any(2**MEL_BITS * row[band] >= 1 for row in weights)]
    if empty:
        raise PlanError(
            f"Mel band {empty[0]} of {front_end.bands} is too narrow for windows of {front_end.window_ms:g} ms.",
            "take fewer bands, longer windows or a higher low_hz",
        )
    return weights


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def _dct(front_end: FrontEnd) -> Integers:
    """Return an orthonormal DCT-II as whole numbers, (bands, coefficients)."""
    bands = front_end.bands
    rows = [
        [
            round(
                2**DCT_BITS * math.sqrt((2 if k else 1) / bands) * math.cos(math.pi * k * (2 * band + 1) / (2 * bands))
            )
            for k in range(front_end.coefficients)
        ]
        for band in range(bands)
    ]
    return np.array(rows, dtype=np.int64)
