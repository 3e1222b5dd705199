"""The pictures from which an int8 file takes its ranges: only training pictures, listed so that anyone can check.

Real data sets contain some pictures in both training and test. Such pictures are skipped, because a file calibrated on
a test picture has seen the test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data import Split, Splits, digest, digests
from edgecnn.errors import DataError


@dataclass(frozen=True)
class Calibration:
    """Pictures to observe, and where they come from."""

    images: npt.NDArray[np.uint8]
    """(n, H, W, C)"""
    indices: npt.NDArray[np.int64]
    """(n,) positions in the data set's whole training set."""
    seed: int
    passed_over: int
    """How many training pictures were not available because the test split contains them."""
    rungs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Rungs of the rescue ladder that the int8 net has taken, with their options."""

    def manifest(self) -> dict[str, Any]:
        """Return the content of calibration.json."""
        return {
            **self.summary(),
            "indices": self.indices.tolist(),
            "sha256": [digest(image) for image in self.images],
        }

    def summary(self) -> Mapping[str, Any]:
        """Return what a card says."""
        return {
            "split": "train",
            "count": len(self.indices),
            "seed": self.seed,
            "passed_over_because_in_test": self.passed_over,
            **({"rungs": self.rungs} if self.rungs else {}),
        }


def draw(splits: Splits, samples: int, seed: int) -> Calibration:
    """Draw training pictures that are not in the test split (by sha256), with the classes taking turns.

    Args:
        splits: The data set's splits.
        samples: How many to draw; if there are fewer, all are taken.
        seed: Seed of the draw.

    Raises:
        DataError: No picture is left.
    """
    in_test = set(digests(splits.test.images))
    apart = np.array([image_digest not in in_test for image_digest in digests(splits.train.images)], dtype=bool)
    candidates = np.flatnonzero(apart)
    if len(candidates) == 0:
        raise DataError("Every training picture is in the test split too: none is left to calibrate with.")
    rng = np.random.default_rng(seed)
    candidates = rng.permutation(candidates)
    turn = np.empty(len(candidates), dtype=np.int64)  # how many candidates of the same class come before it
    for label in range(len(splits.train.classes)):
        members = splits.train.labels[candidates] == label
        turn[members] = np.arange(members.sum())
    chosen = np.sort(candidates[np.argsort(turn, kind="stable")][:samples])
    return on_pictures(splits, chosen, seed, passed_over=int((~apart).sum()))


def on_pictures(splits: Splits, chosen: npt.NDArray[np.intp], seed: int, passed_over: int = 0) -> Calibration:
    """Return the calibration on the pictures `chosen` from splits.train.

    Raises:
        DataError: One of them is in the test split.
    """
    images, indices = splits.train.images[chosen], splits.train_indices[chosen]
    refuse_overlap(images, indices, splits.test)
    return Calibration(images, indices, seed, passed_over)


def refuse_overlap(images: npt.NDArray[np.uint8], indices: npt.NDArray[np.int64], test: Split) -> None:
    """Check that no calibration picture is also a test picture.

    Raises:
        DataError: One is.
    """
    in_test = set(digests(test.images))
    shared = [int(index) for image, index in zip(images, indices, strict=True) if digest(image) in in_test]
    if shared:
        raise DataError(
            f"{len(shared)} of {len(images)} calibration pictures are in the test split too, such as training "
            f"picture {shared[0]}.",
            "calibrate with training pictures that the test split does not hold",
        )
