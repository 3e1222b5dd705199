"""Sounds that a small net tells apart in seconds: tones, sweeps up and down, and hiss, each in its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.onboard import wav_files

RATE_HZ = 8_000
CLASSES = ("falling", "hiss", "rising", "tone")
FRONT_END = {"sample_rate_hz": RATE_HZ, "seconds": 0.5, "high_hz": 3_800.0, "bands": 20, "coefficients": 10}
"""Options of the data set that fit these sounds: 24 x 10."""


def sound(kind: str, rng: np.random.Generator, rate_hz: int = RATE_HZ) -> npt.NDArray[np.int16]:
    """Half a second of one kind, somewhere in it and of any loudness, over a quiet noise."""
    t = np.arange(rate_hz // 2) / rate_hz
    low, high = rng.uniform(300, 600), rng.uniform(2_500, 3_500)
    sweep = 2 * np.pi * (low * t + (high - low) * t * t)
    wave = {
        "falling": np.sin(sweep[::-1]),
        "hiss": rng.standard_normal(len(t)) / 2,
        "rising": np.sin(sweep),
        "tone": np.sin(2 * np.pi * rng.uniform(400, 3_000) * t),
    }[kind]
    loud = np.exp(-(((t - rng.uniform(0.2, 0.3)) / 0.12) ** 2)) * rng.uniform(3_000, 20_000)
    return np.rint(wave * loud + rng.standard_normal(len(t)) * 20).clip(-32_768, 32_767).astype(np.int16)


def folder(root: Path, count: int, seed: int = 0, classes: tuple[str, ...] = CLASSES) -> Path:
    """`count` sounds in each of `root/<class>`, each by a speaker of its own."""
    rng = np.random.default_rng(seed)
    for name in classes:
        (root / name).mkdir(parents=True)
        for index in range(count):
            write(root / name / f"{index:04x}{seed:02x}_nohash_0.wav", sound(name, rng))
    return root


def write(path: Path, samples: npt.NDArray[np.int16], rate_hz: int = RATE_HZ) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav_files.write(samples, rate_hz))
    return path
