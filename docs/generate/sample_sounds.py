"""Write folders of short WAV files in three classes, for the page that speaks of the reader's own sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecnn.onboard import wav_files

RATE_HZ = 16_000
CLASSES = ("door", "kettle", "tap")


def write(folder: str, count: int = 15) -> None:
    """Write `count` sounds of a second of each class into FOLDER/CLASS: a thud, a rising whistle, a hiss."""
    rng = np.random.default_rng(0)
    t = np.arange(RATE_HZ) / RATE_HZ
    for name in CLASSES:
        place = Path(folder) / name
        place.mkdir(parents=True)
        for index in range(count):
            pitch, start = rng.uniform(0.8, 1.2), rng.uniform(0.1, 0.5)
            wave = {
                "door": np.sin(2 * np.pi * 120 * pitch * t) * np.exp(-12 * np.maximum(0, t - start)) * (t > start),
                "kettle": np.sin(2 * np.pi * pitch * (900 * t + 500 * t * t)),
                "tap": rng.standard_normal(RATE_HZ) / 3,
            }[name]
            samples = wave * rng.uniform(3_000, 20_000) + rng.normal(0, 30, RATE_HZ)
            content = wav_files.write(np.rint(samples).clip(-32_768, 32_767).astype(np.int16), RATE_HZ)
            (place / f"{name}_{index:02}.wav").write_bytes(content)
