"""What a model is shown on a board: its test pictures as arrays, and photographs for the end-to-end time."""

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
from edgecnn.records import labels
from edgecnn.records.artifact import Artifact, class_count
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.run import Run

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
    places: tuple[int, ...] = ()
    """Where each class of the data set stands among the artifact's."""

    def pictures(self, suite: Suite) -> EncodedImages:
        """The end-to-end task of a suite."""
        timing = Timing(
            warmup_runs=min(suite.warmup_runs, PHOTOGRAPHS),
            num_runs=suite.num_runs,
            min_secs=suite.min_secs * END_TO_END_SHARE,
        )
        return EncodedImages(folder=str(self.folder), kind=self.kind, timing=timing)


@dataclass(frozen=True, kw_only=True)
class GoldenVectors:
    """A few test pictures, and what one file made of them where it was exported."""

    images: Path
    """A .npy file: uint8 (N, H, W, C)."""
    outputs: npt.NDArray[Any]
    """(N, K), as the file puts them out."""


class Shelf:
    """The test splits of one bench, each loaded and written under `folder` once."""

    def __init__(self, folder: Path, limit: int | None, only_unseen: bool = False) -> None:
        self._folder = folder
        self._limit = limit
        self._only_unseen = only_unseen
        self._loaded: dict[str, Split] = {}
        self._kept: dict[str, tuple[Split, Stimuli]] = {}
        self._said: set[str] = set()

    def take(self, plan: DataPlan, one: Artifact, runs: Sequence[Run] = ()) -> Stimuli:
        """The test split of `plan`, its labels numbered as the artifact numbers its classes.

        The `runs` must have seen nothing of it; with `only_unseen` what they have seen is left out. Raises DataError if
        it does not fit the artifact's input, output or classes, or as `edgecnn.pipeline.train.seen.unseen` does.
        """
        plan = sized(plan, one)
        key = repr((plan, [run.folder for run in runs]))
        if key not in self._kept:
            if repr(plan) not in self._loaded:
                self._loaded[repr(plan)] = data.load(plan).test
            whole = test = self._loaded[repr(plan)]
            for run in runs:
                test = seen.unseen(run, test, self._only_unseen)
            if test is whole and repr(plan) in self._kept:  # written already, for runs that have seen nothing either
                self._kept[key] = self._kept[repr(plan)]
            else:
                self._kept[key] = test, self._write(test, plan.name, self._folder / f"data-{len(self._kept)}")
            if test is whole:
                self._kept[repr(plan)] = self._kept[key]
        test, stimuli = self._kept[key]
        _check_size(test, plan, one)
        places, sentence = class_places(test.classes, plan, one)
        if sentence and sentence not in self._said:
            self._said.add(sentence)
            console.warn(sentence)
        stimuli = dataclasses.replace(stimuli, places=tuple(places))
        return stimuli if places == list(range(len(places))) else self._renumbered(stimuli, places)

    def _renumbered(self, stimuli: Stimuli, places: list[int]) -> Stimuli:
        """The same pictures, class i of the data set labelled `places[i]`."""
        path = Path(stimuli.test.labels)
        digest = hashlib.sha256(repr(places).encode()).hexdigest()[:12]
        renumbered = path.with_name(f"labels-{digest}.npy")
        np.save(renumbered, np.array(places, dtype=np.int64)[arrays.one(path)])
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
        )


def golden_vectors(one: Artifact, folder: Path) -> GoldenVectors | None:
    """The golden vectors beside an exported file, its pictures written under `folder`; None if it has none."""
    try:
        images, outputs = golden.read(one.path.with_name(golden.FILE), one.name, one)
    except Unreadable:
        return None
    path = folder / f"golden-{one.description.sha256[:12]}.npy"
    np.save(path, images)
    return GoldenVectors(images=path, outputs=outputs)


def sized(plan: DataPlan, one: Artifact) -> DataPlan:
    """The plan of a folder, its pictures brought to what the artifact takes where the plan does not say itself.

    Raises DataError if no picture is what the artifact takes, or if it leaves the size open.
    """
    size = one.preprocessing
    if plan.name != "folder" or "size" in plan.options:
        return plan
    if size.channels not in (1, 3):
        raise DataError(f"{one.path} takes {size.channels} channels; a picture has 1 or 3.", "name other --data")
    if size.height == 1 or size.width == 1:
        shape = " x ".join(map(str, one.description.input.shape))
        raise DataError(f"The input of {one.path}, {shape}, does not say how large a picture is.", "name its --size")
    return dataclasses.replace(
        plan, options={"size": size.height, "width": size.width, "channels": size.channels, **plan.options}
    )


def class_places(classes: Sequence[str], plan: DataPlan, one: Artifact) -> tuple[list[int], str]:
    """(where each class of a data set stands among the artifact's, what a user should know of that).

    Classes are matched by their names; where the file names none, the order of the data set's names is assumed.
    Raises DataError for classes that the artifact does not know, or another number of them.
    """
    output, whose = one.description.output, str(plan.options.get("path", plan.name))
    count = class_count(output)
    if len(one.labels) == count:
        places = labels.places(classes, one.labels, whose, one.name)
        if len(classes) == count:
            return places, ""
        left_out = [name for place, name in enumerate(one.labels) if place not in places]
        return places, (
            f"{whose} has {len(classes)} of the {count} classes of {one.name}: it is scored on those, "
            f"and an answer that is another ({labels.listed(left_out)}) counts as wrong."
        )
    if len(classes) != count:
        hint = "name other --data, or put a labels.txt with all the model's class names beside it"
        if one.description.outputs:
            several = ", ".join(f"{spec.name} of {class_count(spec)}" for spec in one.description.outputs)
            hint = f"--logits names the output for the classes, of these: {several}"
        elif count == 1:
            hint = "no sigmoid and no ArgMax ends it, so it names no class: export it with a sigmoid, or two outputs"
        values = f"{count} value{'' if count == 1 else 's'} ({output.dtype})"
        raise DataError(f"{plan.name} has {len(classes)} classes, {one.path} puts out {values}.", hint)
    names = f"{one.name} names {len(one.labels)} classes for {count} outputs" if one.labels else ""
    sentence = f"{names or f'{one.name} names no classes'}: the order of the folders' names is assumed"
    if output.reading == "probability":
        sentence += f", so an output above 0.5 is {classes[1]!r}"
    return list(range(count)), f"{sentence} ({labels.listed(classes)}); a labels.txt beside it tells its own."


def same_order(first: Artifact, of_first: Stimuli, other: Artifact, of_other: Stimuli) -> list[int]:
    """Where each class of `first` stands among those of `other`, whose pictures are of one data set."""
    if len(of_first.places) == class_count(first.description.output):  # the data set has every class
        return [of_other.places[number] for number in np.argsort(of_first.places)]
    return labels.places(first.labels, other.labels, first.name, other.name)


def _check_size(test: Split, plan: DataPlan, one: Artifact) -> None:
    wanted = (one.preprocessing.height, one.preprocessing.width, one.preprocessing.channels)
    shape = test.images.shape[1:]
    if shape != wanted:
        sizes = [" x ".join(map(str, size)) for size in (shape, wanted)]
        raise DataError(
            f"The pictures of {plan.name} are {sizes[0]}, {one.path} takes {sizes[1]}.", "name other --data"
        )


def _sample(n: int, k: int) -> npt.NDArray[np.intp]:
    """k of n indices at random, in order, the same every time; a folder's pictures stand sorted by class."""
    return np.sort(np.random.default_rng(LIMIT_SEED).permutation(n)[:k])


def _photograph(pixels: npt.NDArray[np.uint8], path: Path) -> None:
    """uint8 (H, W, C), enlarged as a camera would see it, as a JPEG."""
    from PIL import Image

    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.resize(PHOTOGRAPH_SIZE, Image.Resampling.BICUBIC).save(path, quality=PHOTOGRAPH_QUALITY)
