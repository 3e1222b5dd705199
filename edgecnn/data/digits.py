"""Handwritten digits, 8 x 8 grey: 1,797 pictures inside scikit-learn, so nothing is downloaded.

The test set of the UCI "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, 1998).
It has no test split of its own; TEST of every class is set apart by SEED, once and for all.
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
    """(train, test) of 1,438 and 359 pictures, uint8 (N, 8, 8, 1): values 0..16 scaled to 0..255."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingPackage("scikit-learn", "train", "The data set digits") from error
    values, labels = load_digits(return_X_y=True)
    images = np.rint(values * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    whole = Split(images, labels.astype(np.int64), tuple("0123456789"))
    test = stratified(whole.labels, TEST, SEED)
    return whole.take(np.flatnonzero(~test)), whole.take(np.flatnonzero(test))
