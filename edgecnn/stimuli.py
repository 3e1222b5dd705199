"""What a model is shown on a board: its test pictures as arrays, and photographs for the end-to-end time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import data, files, pictures
from edgecnn.artifact import Artifact, Preprocessing, TensorSpec
from edgecnn.data import Split
from edgecnn.errors import DataError
from edgecnn.measure import LabelledSet, Pictures, Timing
from edgecnn.plans import Suite
from edgecnn.recipes import DataPlan

PHOTOGRAPHS = 32
PHOTOGRAPH_SIZE = (640, 480)
"""(width, height): what a camera module gives by default."""
PHOTOGRAPH_QUALITY = 90
END_TO_END_SHARE = 0.25
"""Of the suite's timed seconds."""
LIMIT_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Stimuli:
    """A data set's test split on disk, as a board takes it."""

    test: LabelledSet
    folder: Path
    """Of the photographs."""
    kind: str

    def pictures(self, suite: Suite) -> Pictures:
        """The end-to-end task of a suite."""
        timing = Timing(
            warmup_runs=min(suite.warmup_runs, PHOTOGRAPHS),
            num_runs=suite.num_runs,
            min_secs=suite.min_secs * END_TO_END_SHARE,
        )
        return Pictures(folder=str(self.folder), kind=self.kind, timing=timing)


@dataclass(frozen=True, kw_only=True)
class GoldenVectors:
    """A few test pictures, and what one file made of them where it was exported."""

    images: Path
    """A .npy file: uint8 (N, H, W, C)."""
    outputs: npt.NDArray[Any]
    """(N, K), as the file puts them out."""


class Shelf:
    """The test splits of one bench, each loaded and written under `folder` once."""

    def __init__(self, folder: Path, limit: int | None) -> None:
        self._folder = folder
        self._limit = limit
        self._kept: dict[str, tuple[Split, Stimuli]] = {}

    def take(self, plan: DataPlan, one: Artifact) -> Stimuli:
        """The test split of `plan`. Raises DataError if it does not fit the artifact's input and output."""
        key = repr(plan)
        if key not in self._kept:
            test = data.load(plan).test
            self._kept[key] = test, self._write(test, plan.name, self._folder / f"data-{len(self._kept)}")
        test, stimuli = self._kept[key]
        _check_fit(test, plan, one)
        return stimuli

    def _write(self, test: Split, name: str, folder: Path) -> Stimuli:
        photographs = folder / "photographs"
        photographs.mkdir(parents=True)
        chosen = test if self._limit is None else test.take(_sample(len(test), self._limit))
        np.save(folder / "images.npy", chosen.images)
        np.save(folder / "labels.npy", chosen.labels)
        for i, index in enumerate(_sample(len(test), PHOTOGRAPHS)):
            _photograph(test.pictures[index], photographs / f"{i:02}.jpg")
        width, height = PHOTOGRAPH_SIZE
        return Stimuli(
            test=LabelledSet(images=str(folder / "images.npy"), labels=str(folder / "labels.npy")),
            folder=photographs,
            kind=f"{width} x {height} JPEG, quality {PHOTOGRAPH_QUALITY}, enlarged from the test split of {name}",
        )


def golden_vectors(one: Artifact, folder: Path) -> GoldenVectors | None:
    """The golden vectors beside an exported file, its pictures written under `folder`; None if it has none."""
    try:
        with np.load(one.path.with_name("golden.npz"), allow_pickle=False) as held:
            images, outputs = held["images"], held[one.name]
    except (OSError, ValueError, KeyError):
        return None
    path = folder / f"golden-{files.sha256(one.path)[:12]}.npy"
    np.save(path, images)
    return GoldenVectors(images=path, outputs=outputs)


def assumed_preprocessing(spec: TensorSpec) -> Preprocessing:
    """What a file without a card is fed: raw pixel values, in the shape its input has."""
    shape = spec.shape
    if len(shape) == 4 and spec.layout == "NHWC":
        _, height, width, channels = shape
    elif len(shape) == 4 and spec.layout == "NCHW":
        _, channels, height, width = shape
    else:
        height, width, channels = 1, int(np.prod(shape[1:], dtype=int)), 1
    colour_order = "grey" if channels == 1 else "RGB"
    return Preprocessing(
        height=height, width=width, channels=channels, colour_order=colour_order, resize=pictures.RESIZE_RULE
    )


def _check_fit(test: Split, plan: DataPlan, one: Artifact) -> None:
    wanted = (one.preprocessing.height, one.preprocessing.width, one.preprocessing.channels)
    given = test.pictures.shape[1:]
    if given != wanted:
        sizes = [" x ".join(map(str, shape)) for shape in (given, wanted)]
        raise DataError(
            f"The pictures of {plan.name} are {sizes[0]}, {one.path} takes {sizes[1]}.", "name other --data"
        )
    outputs = int(np.prod(one.description.output.shape[1:], dtype=int))
    if outputs != len(test.classes):
        raise DataError(
            f"{plan.name} has {len(test.classes)} classes, {one.path} puts out {outputs} values.", "name other --data"
        )


def _sample(n: int, k: int) -> npt.NDArray[np.intp]:
    """k of n indices at random, in order, the same every time; a folder's pictures stand sorted by class."""
    return np.sort(np.random.default_rng(LIMIT_SEED).permutation(n)[:k])


def _photograph(pixels: npt.NDArray[np.uint8], path: Path) -> None:
    """uint8 (H, W, C), enlarged as a camera would see it, as a JPEG."""
    from PIL import Image

    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.resize(PHOTOGRAPH_SIZE, Image.Resampling.BICUBIC).save(path, quality=PHOTOGRAPH_QUALITY)
