"""Handwritten digits, 8 x 8 grayscale: 1,797 images that come with scikit-learn, so nothing is downloaded.

They are the test set of the UCI "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, 1998) and have
no test split of their own: the share TEST of every class is set apart, always the same images.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecnn.data import Split
from edgecnn.data._cut import stratified
from edgecnn.errors import MissingPackage

LICENCE = "CC BY 4.0 (UCI Machine Learning Repository)"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {"flip": "a mirrored digit is no digit, and a mirrored 2 reads as a 5"}

TEST = 0.2
SEED = 0


def load() -> tuple[Split, Split]:
    """Load 1,438 training and 359 test images, uint8 (N, 8, 8, 1), with values 0..16 scaled to 0..255."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingPackage("scikit-learn", "train", "The data set digits") from error
    values, labels = load_digits(return_X_y=True)
    images = np.rint(values * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    whole = Split(images, labels.astype(np.int64), tuple("0123456789"))
    test = stratified(whole.labels, TEST, SEED)
    return whole.take(np.flatnonzero(~test)), whole.take(np.flatnonzero(test))
