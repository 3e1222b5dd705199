"""Another data set with the pixels of all images shuffled by the same permutation, so that only their places are lost.

The channels of a pixel stay together. A net that does not know which pixels are neighbours, such as an MLP, learns both
sets equally well; a net that relies on it loses what it relies on.
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
    """Load the other data set and shuffle its pixels; shapes and labels stay as they are.

    Args:
        of: the data set's name. It is loaded with its defaults.
        seed: of the permutation.

    Returns:
        The training and the test split.
    """
    train, test = data.get(of).load()
    _, height, width, _ = train.images.shape
    order = np.random.default_rng(seed).permutation(height * width)

    def shuffled(split: Split) -> Split:
        images = split.load_all()
        pixels = images.reshape(len(images), height * width, -1)  # (N, HW, C)
        return Split(pixels.take(order, axis=1).reshape(images.shape), split.labels, split.classes)

    return shuffled(train), shuffled(test)
