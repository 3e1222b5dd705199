"""stripes: grey pictures of stripes that lie, stand or lean, made from a seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecnn.data import Split

LICENCE = "CC0 1.0"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {"rotation": "a turned stripe is one of another class"}
CLASSES = ("leaning", "lying", "standing")
SIDE = 16


def load(count: int = 240, test: int = 90, seed: int = 0) -> tuple[Split, Split]:
    """(train, test), uint8 (N, 16, 16, 1).

    count: training pictures.
    test: test pictures.
    seed: of both.
    """
    rng = np.random.default_rng(seed)
    return _drawn(count, rng), _drawn(test, rng)


def _drawn(count: int, rng: np.random.Generator) -> Split:
    labels = np.arange(count, dtype=np.int64) % len(CLASSES)
    rows, columns = np.mgrid[:SIDE, :SIDE]  # (16, 16) each
    directions = np.stack([rows + columns, rows, columns])  # (3, 16, 16)
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 1))
    waves = np.sin(directions[labels] + phase) + rng.normal(0, 0.3, (count, SIDE, SIDE))
    pixels = np.clip(128 + 80 * waves, 0, 255).astype(np.uint8)
    return Split(pixels[..., None], labels, CLASSES)
