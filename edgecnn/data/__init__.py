"""Data sets: a file here is a data set, with the contract `DataSet`. `load` splits it into three.

The images of a large data set stay in a file and are read by index, so it may be larger than memory. Code that goes
through a split takes `blocks(split.images)` or `split.images[indices]`, and `Split.load_all` only where it needs all.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from edgecnn.common import plugins
from edgecnn.data import _left_out
from edgecnn.data._cut import Texts, by_key
from edgecnn.data._cut import stratified as stratified
from edgecnn.data._decoded import in_processes as in_processes
from edgecnn.data._listed import Listed as Listed
from edgecnn.data._overview import Overview as Overview
from edgecnn.data._overview import overview as overview
from edgecnn.data._pictures import Picture as Picture
from edgecnn.data._pictures import decode as decode
from edgecnn.data._pictures import source as source
from edgecnn.data._remarks import say_left_out as say_left_out
from edgecnn.data._stored import Stored
from edgecnn.errors import DataError, UsageError
from edgecnn.records.recipe import DataPlan
from edgecnn.records.sound import FrontEnd

Images: TypeAlias = npt.NDArray[np.uint8] | Stored
"""uint8 (N, H, W, C), in memory or in a file. Both have a shape and a length, and return an array for an index."""

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Split:
    """Labelled images."""

    images: Images
    """uint8 (N, H, W, C)."""
    labels: npt.NDArray[np.int64]
    """(N,) indices of `classes`."""
    classes: tuple[str, ...]
    contents: Texts | None = None
    """(N,) sha256 of each encoded image; None if images are not encoded."""
    keys: Texts | None = None
    """(N,) texts that decide which split an image belongs to; images with the same key stay together. None if a draw
    decides."""
    held_out: npt.NDArray[np.bool_] | None = None
    """(N,) which images of a training set its author set apart for validation; None if the plan decides."""
    files: Texts | None = None
    """(N,) the path of each image's file, or its name in a file of many; None if images are not files."""
    larger: Images | None = None
    """uint8 (N, H', W', C), the same images larger, for training on random parts of them; None without."""
    altered: npt.NDArray[np.bool_] | None = None
    """(N,) which images are changed copies of others, to be learnt from and not to validate with; None for none."""

    def __len__(self) -> int:
        return len(self.labels)

    def digests(self) -> list[str]:
        """Return the sha256 of every encoded image, or of its pixels if images are not encoded."""
        if self.contents is not None:
            return [str(content) for content in self.contents]
        return list(self._pixel_digests)

    @functools.cached_property
    def _pixel_digests(self) -> tuple[str, ...]:
        return tuple(digests(self.images))

    def load_all(self) -> npt.NDArray[np.uint8]:
        """Return all images in memory, uint8 (N, H, W, C); those of a large data set are read from their file anew."""
        return self.images[:]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image, as a net takes it."""
        height, width, channels = self.images.shape[1:]
        return channels, height, width

    def take(self, indices: npt.NDArray[np.intp]) -> Split:
        """Return the split of the images at these indices, in that order. Images in a file stay there."""
        return Split(
            _part(self.images, indices),
            self.labels[indices],
            self.classes,
            None if self.contents is None else self.contents[indices],
            None if self.keys is None else self.keys[indices],
            None if self.held_out is None else self.held_out[indices],
            None if self.files is None else self.files[indices],
            None if self.larger is None else _part(self.larger, indices),
            None if self.altered is None else self.altered[indices],
        )


def _part(images: Images, indices: npt.NDArray[np.intp]) -> Images:
    return images.part(indices) if isinstance(images, Stored) else images[indices]


@dataclass(frozen=True)
class Splits:
    """The three splits: train to learn from, validation to choose by, test to report on."""

    train: Split
    validation: Split
    test: Split
    train_indices: npt.NDArray[np.int64]
    """Indices of `train`'s images in the whole training set."""


class DataSet(Protocol):
    """The contract of a data set: a file in this folder has these names."""

    LICENCE: str
    """Licence of the images. It goes into the card of every model that is trained on them."""

    FORBIDDEN_AUGMENTATIONS: Mapping[str, str]
    """Augmentations that change what the labels mean, each with the reason."""

    def load(self) -> tuple[Split, Split]:
        """Load the training and the test split.

        Args:
            **options: keyword arguments, with defaults, are the options of a recipe's [data] table.

        Raises:
            DataError: images are missing or broken.
        """
        ...


KIND = plugins.PluginKind("edgecnn.data", "data set", DataSet, "edgecnn.data")


def get(name: str) -> DataSet:
    """Return the data set of that name. Raises UsageError, with the known names, if there is none."""
    return cast(DataSet, KIND.load(name))


def size_options(name: str, height: int, width: int) -> dict[str, int]:
    """Return the options of a recipe's [data] table that give a data set's pictures a size.

    Raises:
        UsageError: There is no data set of that name, or its pictures have a size of their own.
    """
    options = inspect.signature(get(name).load).parameters
    if "size" not in options:
        raise UsageError(f"The pictures of {name} have a size of their own, so --size does not fit.", "leave it out")
    if "width" in options:
        return {"size": height, "width": width}
    if height != width:
        raise UsageError(f"The pictures of {name} are square, not {height} x {width}.", f"--size {height}")
    return {"size": height}


class OwnPictures(DataSet, Protocol):
    """The further contract of a data set of one's own pictures, which can be listed without being read."""

    def listed(self, place: Path, **options: str) -> Listed:
        """List all pictures at a path; its options are some of those of `load`. Raises DataError."""
        ...


class Sounds(DataSet, Protocol):
    """The further contract of a data set of sounds, whose images are what a front end makes of them."""

    def front_end(self, **options: Any) -> FrontEnd:
        """Return the front end by the options of `load`. Raises PlanError."""
        ...


def listed(plan: DataPlan) -> Listed:
    """List the pictures of one's own at the path of a plan, if that has such. Raises DataError, UsageError."""
    data_set = cast(OwnPictures, get(plan.name))
    if not hasattr(data_set, "listed"):
        raise UsageError(f"{plan.name} lists no pictures to look at before a recipe is chosen.", "name a recipe")
    list_pictures = functools.partial(data_set.listed, Path(plan.options["path"]))
    known = inspect.signature(list_pictures).parameters
    options = {key: value for key, value in plan.options.items() if key in known}
    own: Listed = plugins.call(list_pictures, options, "[data]")
    return _left_out.without_left_out(own, Path(plan.options["path"]), plan.options.get("leave_out", ""))


def sound(plan: DataPlan) -> FrontEnd | None:
    """Return the front end that makes the pictures of a plan's sounds; None for a data set of pictures."""
    data_set = get(plan.name)
    return cast(Sounds, data_set).front_end(**plan.options) if hasattr(data_set, "front_end") else None


def load(plan: DataPlan) -> Splits:
    """Load a data set's three splits.

    Validation is what the data set itself holds out, or else the same share of every class of the training set, drawn
    by `plan.seed`. If `plan.fraction` is below 1, that share of the remaining training images is kept, with at least
    one of every class. The smaller of two fractions with the same `fraction_seed` is part of the larger.

    Raises:
        DataError: images are missing or broken, or there are too few to train or to test on.
    """
    whole, test = plugins.call(get(plan.name).load, plan.options, "[data]")
    check(whole, "training")
    check(test, "test")
    held_out = whole.held_out if whole.held_out is not None else _cut_off(whole, plan.validation, plan.seed)
    train_indices = np.flatnonzero(~held_out)
    if plan.fraction < 1:
        train_indices = train_indices[stratified(whole.labels[train_indices], plan.fraction, plan.fraction_seed)]
    if whole.altered is not None:
        held_out = held_out & ~whole.altered
    train = whole.take(train_indices)
    validation = dataclasses.replace(whole, larger=None).take(np.flatnonzero(held_out))
    return Splits(train, validation, test, train_indices.astype(np.int64))


def load_unlabelled(plan: DataPlan, splits: Splits) -> Split:
    """Load the pictures of `plan.unlabelled`, which have no classes, in the size of a data set's `splits`.

    Copies of pictures that the data set validates or tests with are left out. Raises DataError if none is left.
    """
    from edgecnn.data import _unlabelled

    return _unlabelled.load(plan, splits)


def class_counts(splits: Splits) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return a table of the images per class and split: its head, and its rows with the totals last."""
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    classes = splits.train.classes
    counts = [np.bincount(part.labels, minlength=len(classes)).tolist() for part in parts.values()]
    rows = [(name, *(f"{count:,}" for count in row)) for name, *row in zip(classes, *counts, strict=True)]
    return ("class", *parts), [*rows, ("all", *(f"{sum(count):,}" for count in counts))]


def _cut_off(whole: Split, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Return which images to validate with, (N,): by their keys, or else by a draw from each class."""
    if whole.keys is None:
        return stratified(whole.labels, share, seed)
    return by_key(whole.labels, whole.keys, share, f"validation {seed}")


def digests(images: Images) -> Iterator[str]:
    """Yield the `digest` of every image."""
    return (digest(image) for block in blocks(images) for image in block)


def digest(image: npt.NDArray[np.uint8]) -> str:
    """Return the sha256 of an image's pixels, row by row."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def blocks(images: Images) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield all images in order, uint8 (n, H, W, C), about BLOCK_BYTES at a time."""
    size = max(1, BLOCK_BYTES // prod(images.shape[1:]))
    for start in range(0, len(images), size):
        yield images[start : start + size]


def pixel_statistics(images: Images) -> tuple[float, float]:
    """Return the mean, rounded to an integer, and the standard deviation of all pixels of uint8 (N, H, W, C).

    All channels share them. As the mean is an integer, an int8 input tensor with scale 1 / std and zero point
    mean - 128 holds every normalized pixel without rounding.
    """
    counts = np.zeros(256, dtype=np.int64)
    for block in blocks(images):
        counts += np.bincount(block.ravel(), minlength=256)
    values, total = np.arange(256), counts.sum()
    mean = float(counts @ values / total)
    variance = float(counts @ (values - mean) ** 2 / total)
    return float(round(mean)), round(max(1.0, math.sqrt(variance)), 4)


def check(split: Split, name: str) -> None:
    """Raise DataError if the split has too few images or classes to train or to test on."""
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
