"""Test inputs of a model on a board: test images as arrays, and photographs for the end-to-end time."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import data
from edgecnn.common import arrays, console
from edgecnn.common.documents import Unreadable
from edgecnn.data import Split
from edgecnn.errors import DataError
from edgecnn.onboard import golden
from edgecnn.onboard.job import EncodedImages, LabelledSet, Timing
from edgecnn.pipeline.train import seen
from edgecnn.records import data_paths, labels
from edgecnn.records.artifact import Artifact, class_count
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.resizing import CROP
from edgecnn.records.run import Run

PHOTOGRAPHS = 32
"""Number of photographs the end-to-end time is measured on."""
PHOTOGRAPH_SIZE = (640, 480)
"""(width, height) in pixels, a camera module's default."""
PHOTOGRAPH_QUALITY = 90
END_TO_END_SHARE = 0.25
"""Share of the suite's timed seconds that goes to the end-to-end time."""
LIMIT_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Stimuli:
    """A test split on disk, in the form a board takes."""

    test: LabelledSet
    folder: Path
    """Folder of the photographs."""
    kind: str
    """Size and origin of the photographs, in words."""
    places: tuple[int, ...] = ()
    """Index of each of the data set's classes among those of the artifact."""
    files: tuple[str, ...] = ()
    """The path of each image's file; empty if images are not files."""
    classes: tuple[str, ...] = ()
    """The data set's classes, in its order."""

    def pictures(self, suite: Suite) -> EncodedImages:
        """Return the end-to-end part of a job."""
        timing = Timing(
            warmup_runs=min(suite.warmup_runs, PHOTOGRAPHS),
            num_runs=suite.num_runs,
            min_secs=suite.min_secs * END_TO_END_SHARE,
        )
        return EncodedImages(folder=str(self.folder), kind=self.kind, timing=timing)


@dataclass(frozen=True, kw_only=True)
class GoldenVectors:
    """A few test images, and the outputs one file gave for them where it was exported."""

    images: Path
    """Path of a .npy file with uint8 (N, H, W, C)."""
    outputs: npt.NDArray[Any]
    """(N, K), in the file's own output type."""


class Shelf:
    """The test splits of one bench; each is loaded once and written once, below `folder`."""

    def __init__(self, folder: Path, limit: int | None, only_unseen: bool = False) -> None:
        self._folder = folder
        self._limit = limit
        self._only_unseen = only_unseen
        self._loaded: dict[str, Split] = {}
        self._kept: dict[str, tuple[Split, Stimuli]] = {}
        self._said: set[str] = set()

    def take(self, plan: DataPlan, artifact: Artifact, runs: Sequence[Run] = ()) -> Stimuli:
        """Return the test split of `plan`, with labels numbered as the artifact numbers its classes.

        Args:
            plan: The data set.
            artifact: The model it is for.
            runs: Runs that must not have learnt from the split; with `only_unseen` what they saw is left out.

        Raises:
            DataError: If the split does not fit the artifact's input, output or classes, or a run has seen it
                (`edgecnn.pipeline.train.seen.unseen`).
        """
        plan = sized(plan, artifact)
        key = repr((plan, [run.folder for run in runs]))
        if key not in self._kept:
            if repr(plan) not in self._loaded:
                self._loaded[repr(plan)] = data.load(plan).test
            full = test = self._loaded[repr(plan)]
            for run in runs:
                test = seen.unseen(run, test, self._only_unseen)
            if test is full and repr(plan) in self._kept:  # already written: no run has seen any of it
                self._kept[key] = self._kept[repr(plan)]
            else:
                self._kept[key] = test, self._write(test, plan.name, self._folder / f"data-{len(self._kept)}")
            if test is full:
                self._kept[repr(plan)] = self._kept[key]
        test, stimuli = self._kept[key]
        _check_size(test, plan, artifact)
        places, sentence = class_places(test.classes, plan, artifact)
        if sentence and sentence not in self._said:
            self._said.add(sentence)
            console.warn(sentence)
        stimuli = dataclasses.replace(stimuli, places=tuple(places))
        return stimuli if places == list(range(len(places))) else self._renumbered(stimuli, places)

    def _renumbered(self, stimuli: Stimuli, places: list[int]) -> Stimuli:
        """Return the same images, with class i of the data set labelled `places[i]`."""
        path = Path(stimuli.test.labels)
        digest = hashlib.sha256(repr(places).encode()).hexdigest()[:12]
        renumbered = path.with_name(f"labels-{digest}.npy")
        np.save(renumbered, np.array(places, dtype=np.int64)[arrays.read_array(path)])
        return dataclasses.replace(stimuli, test=dataclasses.replace(stimuli.test, labels=str(renumbered)))

    def _write(self, test: Split, name: str, folder: Path) -> Stimuli:
        photographs = folder / "photographs"
        photographs.mkdir(parents=True)
        chosen = test if self._limit is None else test.take(_sample(len(test), self._limit))
        np.save(folder / "images.npy", chosen.load_all())
        np.save(folder / "labels.npy", chosen.labels)
        for i, index in enumerate(_sample(len(test), PHOTOGRAPHS)):
            _photograph(test.images[index], photographs / f"{i:02}.jpg")
        width, height = PHOTOGRAPH_SIZE
        return Stimuli(
            test=LabelledSet(images=str(folder / "images.npy"), labels=str(folder / "labels.npy")),
            folder=photographs,
            kind=f"{width} x {height} JPEG, quality {PHOTOGRAPH_QUALITY}, enlarged from the test split of {name}",
            files=() if chosen.files is None else tuple(map(str, chosen.files)),
            classes=test.classes,
        )


def golden_vectors(artifact: Artifact, folder: Path) -> GoldenVectors | None:
    """Read the golden vectors beside an exported file and write their images below `folder`; None if it has none."""
    try:
        images, outputs = golden.read(artifact.path.with_name(golden.FILE), artifact.name, artifact)
    except Unreadable:
        return None
    path = folder / f"golden-{artifact.description.sha256[:12]}.npy"
    np.save(path, images)
    return GoldenVectors(images=path, outputs=outputs)


def sized(plan: DataPlan, artifact: Artifact) -> DataPlan:
    """Return the plan of somebody's own pictures with the artifact's size and resizing, unless the plan has its own.

    Raises:
        DataError: If the artifact takes no images, or leaves their size open.
    """
    size = artifact.preprocessing
    if artifact.sound is not None and data.sound(plan) is not None:
        return dataclasses.replace(plan, options=artifact.sound.options() | dict(plan.options))
    if plan.name not in data_paths.RESIZED:
        return plan
    if size.resizing != CROP:
        plan = dataclasses.replace(plan, options={"resize": str(size.resizing), **plan.options})
    if "size" in plan.options:
        return plan
    if size.channels not in (1, 3):
        raise DataError(f"{artifact.path} takes {size.channels} channels; a picture has 1 or 3.", "name other --data")
    if size.height == 1 or size.width == 1:
        shape = " x ".join(map(str, artifact.description.input.shape))
        raise DataError(
            f"The input of {artifact.path}, {shape}, does not say how large a picture is.", "name its --size"
        )
    return dataclasses.replace(
        plan, options={"size": size.height, "width": size.width, "channels": size.channels, **plan.options}
    )


def class_places(classes: Sequence[str], plan: DataPlan, artifact: Artifact) -> tuple[list[int], str]:
    """Match the classes of a data set with those of an artifact, by name.

    Returns:
        The index of each of the data set's classes among the artifact's, and a sentence of warning or "". If the
        artifact names no classes, the data set's order is assumed.

    Raises:
        DataError: If the artifact does not know a class, or has another number of classes and no names.
    """
    output, data_name = artifact.description.output, str(plan.options.get("path", plan.name))
    count = class_count(output)
    if len(artifact.labels) == count:
        places = labels.places(classes, artifact.labels, data_name, artifact.name)
        if len(classes) == count:
            return places, ""
        left_out = [name for place, name in enumerate(artifact.labels) if place not in places]
        return places, (
            f"{data_name} has {len(classes)} of the {count} classes of {artifact.name}: it is scored on those, "
            f"and an answer that is another ({labels.listed(left_out)}) counts as wrong."
        )
    if len(classes) != count:
        hint = "name other --data, or put a labels.txt with all the model's class names beside it"
        if artifact.description.outputs:
            choices = ", ".join(f"{spec.name} of {class_count(spec)}" for spec in artifact.description.outputs)
            hint = f"--logits names the output for the classes, of these: {choices}"
        elif count == 1:
            hint = "no sigmoid and no ArgMax ends it, so it names no class: export it with a sigmoid, or two outputs"
        values = f"{count} value{'' if count == 1 else 's'} ({output.dtype})"
        raise DataError(f"{plan.name} has {len(classes)} classes, {artifact.path} puts out {values}.", hint)
    names = f"{artifact.name} names {len(artifact.labels)} classes for {count} outputs" if artifact.labels else ""
    sentence = f"{names or f'{artifact.name} names no classes'}: the order of the folders' names is assumed"
    if output.reading == "probability":
        sentence += f", so an output above 0.5 is {classes[1]!r}"
    return list(range(count)), f"{sentence} ({labels.listed(classes)}); a labels.txt beside it tells its own."


def same_order(first: Artifact, of_first: Stimuli, other: Artifact, of_other: Stimuli) -> list[int]:
    """Return the index of each class of `first` among those of `other`; the stimuli are of one data set."""
    if len(of_first.places) == class_count(first.description.output):  # the data set has every class
        return [of_other.places[index] for index in np.argsort(of_first.places)]
    return labels.places(first.labels, other.labels, first.name, other.name)


def _check_size(test: Split, plan: DataPlan, artifact: Artifact) -> None:
    expected = (artifact.preprocessing.height, artifact.preprocessing.width, artifact.preprocessing.channels)
    shape = test.images.shape[1:]
    if shape != expected:
        sizes = [" x ".join(map(str, size)) for size in (shape, expected)]
        raise DataError(
            f"The pictures of {plan.name} are {sizes[0]}, {artifact.path} takes {sizes[1]}.", "name other --data"
        )


def _sample(n: int, k: int) -> npt.NDArray[np.intp]:
    """Return k of n indices, random but always the same, ascending; an image folder is sorted by class."""
    return np.sort(np.random.default_rng(LIMIT_SEED).permutation(n)[:k])


def _photograph(pixels: npt.NDArray[np.uint8], path: Path) -> None:
    """Write an image, uint8 (H, W, C), as a JPEG enlarged to the size of a photograph."""
    from PIL import Image

    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.resize(PHOTOGRAPH_SIZE, Image.Resampling.BICUBIC).save(path, quality=PHOTOGRAPH_QUALITY)
