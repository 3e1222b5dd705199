"""Turn a WAV file into the input of a model of sounds, by the same code in training and on the device."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.onboard import front_end, resample, wav_files
from edgecnn.onboard.wav_files import Samples
from edgecnn.records.sound import FrontEnd

HOP = 0.5
"""A sound that is longer than a model hears at once is heard in windows; each begins this share of one later."""
MOST_SECONDS = 60.0
"""The longest sound that is classified."""


def samples_of(source: Path | bytes, rate_hz: int, name: str = "", most_seconds: float = math.inf) -> Samples:
    """Read a sound at a sample rate, (n,). Raises DataError."""
    samples, own_hz = wav_files.read(source, name, most_seconds)
    return resample.resample(samples, own_hz, rate_hz)


def padded(samples: Samples, size: int) -> Samples:
    """Return the samples with silence behind them, (size,); more than that are not cut."""
    return samples if len(samples) >= size else np.concatenate([samples, np.zeros(size - len(samples), np.int16)])


def starts(count: int, size: int) -> list[int]:
    """Return the sample at which each window of `size` begins in a sound of `count`, the last at its end."""
    if count <= size:
        return [0]
    places = list(range(0, count - size + 1, max(1, round(HOP * size))))
    return places if places[-1] == count - size else [*places, count - size]


def windows(source: Path | bytes, wanted: FrontEnd, name: str = "") -> tuple[npt.NDArray[np.uint8], tuple[float, ...]]:
    """Read a sound as what a model takes: once, or in windows if it is longer than the model hears at once.

    Args:
        source: A WAV file, or its bytes.
        wanted: The model's front end.
        name: What an error calls it.

    Returns:
        uint8 (W, frames, columns, 1), and the second at which each window begins.

    Raises:
        DataError: It cannot be read, or is longer than MOST_SECONDS.
    """
    samples = samples_of(source, wanted.sample_rate_hz, name, MOST_SECONDS)
    places = starts(len(samples), wanted.samples)
    return heard(samples, wanted), tuple(place / wanted.sample_rate_hz for place in places)


def heard(samples: Samples, wanted: FrontEnd) -> npt.NDArray[np.uint8]:
    """Return the pictures of a sound at the front end's rate, uint8 (W, frames, columns, 1)."""
    samples = padded(samples, wanted.samples)
    places = starts(len(samples), wanted.samples)
    return np.stack([front_end.features(samples[place : place + wanted.samples], wanted) for place in places])
