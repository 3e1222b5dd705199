"""Data sets: a file here is a data set. Contract: `DataSet`. `load` cuts it into three splits.

A large data set's pictures stay in a file and are read by index, so that it may be larger than memory. What goes
through a split picture by picture reads `Split.images`, `blocks` of it, or `images[chosen]`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from edgecnn.common import plugins
from edgecnn.data._cut import Texts, by_key
from edgecnn.data._cut import stratified as stratified
from edgecnn.data._stored import Stored
from edgecnn.errors import DataError
from edgecnn.records.recipe import DataPlan

Images: TypeAlias = npt.NDArray[np.uint8] | Stored
"""uint8 (N, H, W, C), in memory or in a file: both have a shape and a length, and give an array for an index."""

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Split:
    """Labelled pictures: uint8 (N, H, W, C), labels int64 (N,), and the class names."""

    images: Images
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    contents: Texts | None = None
    """(N,) The sha256 of each picture's file; None where pictures are not files."""
    keys: Texts | None = None
    """(N,) What decides the side of a cut on which a picture lies; equal ones stay together. None: a draw decides."""
    held_out: npt.NDArray[np.bool_] | None = None
    """(N,) Of a training set: which pictures its author set apart for validation. None leaves that to the plan."""

    def __len__(self) -> int:
        return len(self.labels)

    def digests(self) -> list[str]:
        """Of every picture a sha256: of its file, or of its pixels row by row where it is none."""
        if self.contents is not None:
            return [str(content) for content in self.contents]
        return list(digests(self.images))

    def load_all(self) -> npt.NDArray[np.uint8]:
        """Return all images in memory, uint8 (N, H, W, C); those of a large data set are read from their file anew."""
        return self.images[:]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one picture, as a net takes it."""
        height, width, channels = self.images.shape[1:]
        return channels, height, width

    def take(self, indices: npt.NDArray[np.intp]) -> Split:
        """Those of the pictures, in that order; what is in a file stays there."""
        held = self.images
        chosen = held.part(indices) if isinstance(held, Stored) else held[indices]
        return Split(
            chosen,
            self.labels[indices],
            self.classes,
            None if self.contents is None else self.contents[indices],
            None if self.keys is None else self.keys[indices],
            None if self.held_out is None else self.held_out[indices],
        )


@dataclass(frozen=True)
class Splits:
    """Train to learn from, validation to choose by, test to report on."""

    train: Split
    validation: Split
    test: Split
    train_indices: npt.NDArray[np.int64]
    """Of `train`'s pictures in the data set's whole training set."""


class DataSet(Protocol):
    """What a file of this folder provides."""

    LICENCE: str
    """Of the pictures; it goes into the card of what learnt from them."""

    FORBIDDEN_AUGMENTATIONS: Mapping[str, str]
    """Augmentation -> why this data set's labels do not survive it."""

    def load(self) -> tuple[Split, Split]:
        """(train, test); keyword arguments with defaults are the options of a recipe's [data] table.

        Raises DataError when pictures are missing or broken.
        """
        ...


def get(name: str) -> DataSet:
    """The data set of that name; a UsageError lists the known ones."""
    return cast(DataSet, plugins.load("data", name, "data set"))


def load(plan: DataPlan) -> Splits:
    """The three splits; validation is cut from train, the same share of every class, by plan.seed.

    It is what the data set itself holds out, if it does. With plan.fraction below 1 that share of what is left to
    train on is kept, of every class at least one picture; the smaller of two fractions of one fraction_seed is a part
    of the larger.
    """
    whole, test = plugins.call(get(plan.name).load, plan.options, "[data]")
    check(whole, "training")
    check(test, "test")
    held_out = whole.held_out if whole.held_out is not None else _cut_off(whole, plan.validation, plan.seed)
    train_indices = np.flatnonzero(~held_out)
    if plan.fraction < 1:
        train_indices = train_indices[stratified(whole.labels[train_indices], plan.fraction, plan.fraction_seed)]
    train, validation = whole.take(train_indices), whole.take(np.flatnonzero(held_out))
    return Splits(train, validation, test, train_indices.astype(np.int64))


def class_counts(splits: Splits) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A table of how many pictures each class has in each split: its head and its rows, the whole last."""
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    classes = splits.train.classes
    counts = [np.bincount(part.labels, minlength=len(classes)).tolist() for part in parts.values()]
    rows = [(name, *(f"{count:,}" for count in row)) for name, *row in zip(classes, *counts, strict=True)]
    return ("class", *parts), [*rows, ("all", *(f"{sum(count):,}" for count in counts))]


def _cut_off(whole: Split, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which pictures (N,) to validate with: by their keys if they have some, by a draw from each class if not."""
    if whole.keys is None:
        return stratified(whole.labels, share, seed)
    return by_key(whole.labels, whole.keys, share, f"validation {seed}")


def digests(pictures: Images) -> Iterator[str]:
    """Of every picture, the `digest` of its pixels."""
    return (digest(image) for block in blocks(pictures) for image in block)


def digest(image: npt.NDArray[np.uint8]) -> str:
    """The sha256 of a picture's pixels, row by row."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def blocks(pictures: Images) -> Iterator[npt.NDArray[np.uint8]]:
    """All pictures in order, uint8 (n, H, W, C), about BLOCK_BYTES at a time."""
    size = max(1, BLOCK_BYTES // prod(pictures.shape[1:]))
    for start in range(0, len(pictures), size):
        yield pictures[start : start + size]


def pixel_statistics(pictures: Images) -> tuple[float, float]:
    """Return the mean, rounded to an integer, and the standard deviation of all pixels of uint8 (N, H, W, C).

    All channels share them. As the mean is an integer, an int8 input tensor with scale 1 / std and zero point
    mean - 128 holds every normalized pixel without rounding.
    """
    counts = np.zeros(256, dtype=np.int64)
    for block in blocks(pictures):
        counts += np.bincount(block.ravel(), minlength=256)
    values, total = np.arange(256), counts.sum()
    mean = float(counts @ values / total)
    variance = float(counts @ (values - mean) ** 2 / total)
    return float(round(mean)), round(max(1.0, math.sqrt(variance)), 4)


def check(split: Split, name: str) -> None:
    """Raise DataError if nothing can be learnt from the split, or nothing measured on it."""
    if len(split) == 0:
        raise DataError(f"The {name} split holds no pictures.")
    if len(split.classes) < 2:
        raise DataError(f"The data set has one class only ({split.classes[0]!r}).", "a classifier needs at least two")
    counts = np.bincount(split.labels, minlength=len(split.classes))
    needed = 2 if name == "training" else 0
    for label, count in enumerate(counts):
        if count < needed:
            raise DataError(
                f"Class {split.classes[label]!r} has {count} {name} pictures; at least {needed} are needed."
            )
