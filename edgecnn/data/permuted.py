"""Another data set, its pixels shuffled: every picture by the one same permutation, so that nothing but place is lost.

What stands at a pixel stays together in all its channels. A net that takes no pixel for another's neighbour cannot
tell the two sets apart; one that does loses what it assumed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecnn import data
from edgecnn.data import Split

LICENCE = "that of the pictures it shuffles"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {
    "flip": "a shuffled picture that is mirrored is not the mirrored picture shuffled",
    "shift": "a shuffled picture that is moved is not the moved picture shuffled",
}


def load(of: str = "digits", seed: int = 0) -> tuple[Split, Split]:
    """(train, test) of the other data set, shapes and labels as they are there.

    of: the data set's name; it is loaded with its own defaults.
    seed: of the permutation.
    """
    train, test = data.get(of).load()
    _, height, width, _ = train.images.shape
    order = np.random.default_rng(seed).permutation(height * width)

    def shuffled(split: Split) -> Split:
        n, *shape = split.images.shape
        pixels = split.load_all().reshape(n, height * width, -1)  # (N, HW, C)
        return Split(pixels.take(order, axis=1).reshape(n, *shape), split.labels, split.classes)

    return shuffled(train), shuffled(test)
