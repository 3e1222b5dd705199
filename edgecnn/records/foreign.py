"""Model files without a card: what their own metadata, a label file beside them and the user say.

Nothing is assumed silently: if nobody says how pixels are normalised, raw values are taken, and `Known` says so.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import DataError, UsageError, nearest
from edgecnn.records import labels
from edgecnn.records.artifact import Artifact, Description, Preprocessing, TensorSpec, class_count
from edgecnn.records.resizing import CROP, Resizing

Number = float | tuple[float, ...]
"""One number for all channels, or one for each."""


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """The user's options for a file's pictures, overriding the file and its card; None overrides nothing."""

    size: tuple[int, int] | None = None
    """(height, width)"""
    channels: int | None = None
    mean: Number | None = None
    std: Number | None = None
    resize: Resizing | None = None
    logits: str | None = None
    """The output that names the classes."""

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 1:
            raise UsageError(f"size = {self.size} is not a picture's size.", "(height, width), each at least 1")
        if self.channels not in (None, 1, 3):
            raise UsageError(f"channels = {self.channels} is no picture's.", "1 for grey, 3 for colour")
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            each = numbers if isinstance(numbers, tuple) else () if numbers is None else (numbers,)
            if not all(map(math.isfinite, each)) or (name == "std" and 0 in each):
                raise UsageError(f"{name} = {numbers} is no number to feed a pixel with.", "127.5, or one a channel")

    def words(self) -> list[str]:
        """Return the command line options that say the same."""
        values = {
            "--size": "x".join(map(str, self.size)) if self.size else None,
            "--channels": self.channels,
            "--mean": _listed(self.mean),
            "--std": _listed(self.std),
            "--resize": self.resize,
            "--logits": self.logits,
        }
        return [word for option, value in values.items() if value is not None for word in (option, str(value))]


@dataclass(frozen=True, kw_only=True)
class Known:
    """A model file, how it is fed and read, and on whose word."""

    artifact: Artifact
    names: str
    """What its classes are called, and who says so."""
    whose: str | None
    """Who says how pixels are normalised, such as "its card"; None if nobody does."""

    @property
    def sentence(self) -> str:
        """Everything that was assumed, in one line."""
        size = self.artifact.preprocessing
        if (sound := self.artifact.sound) is not None:
            return f"{self.artifact.name} hears {sound.words()} ({self.whose or 'by its own notes'}); {self.names}"
        shape = f"{size.height} x {size.width} x {size.channels} {size.colour_order} ({size.resizing})"
        fed = fed_words(self.artifact.description.input, size)
        return f"{self.artifact.name} takes {shape}, {fed} ({self.whose or 'which nobody says'}); {self.names}"


def known(path: Path, description: Description) -> Known:
    """Gather what is known of a file without a card, from its own metadata and a label file beside it."""
    preprocessing, image = assumed_preprocessing(description.input), description.image
    whose = None
    if image is not None:
        if image.colour_order is not None and (image.colour_order == "grey") == (preprocessing.channels == 1):
            preprocessing = dataclasses.replace(preprocessing, colour_order=image.colour_order)
        if image.mean is not None and image.std is not None:
            preprocessing = dataclasses.replace(preprocessing, mean=image.mean, std=image.std)
            whose = image.source
        if image.resizing is not None:
            preprocessing = _resized_by(preprocessing, image.resizing)
    sound = image.sound if image is not None else None
    if sound and (sound.frames, sound.columns, 1) != (
        preprocessing.height,
        preprocessing.width,
        preprocessing.channels,
    ):
        sound = None
    description, class_labels, names = _classes(path, description)
    artifact = Artifact(
        path=path, description=description, preprocessing=preprocessing, labels=class_labels, sound=sound
    )
    return Known(artifact=artifact, names=names, whose=whose)


def carded(artifact: Artifact) -> Known:
    """Return what the card of a file says."""
    return Known(artifact=artifact, names=f"classes {labels.listed(artifact.labels)}", whose="its card")


def with_options(before: Known, options: PictureOptions) -> Known:
    """Apply the user's options to a file.

    Raises:
        UsageError: The file has no such output, or cannot take the size or the number of channels.
    """
    if options == PictureOptions():
        return before
    artifact, size = before.artifact, before.artifact.preprocessing
    if options.logits is not None:
        artifact = dataclasses.replace(artifact, description=_read_by(artifact, options.logits))
        class_labels, names = class_names(artifact.path, artifact.description, class_count(artifact.description.output))
        artifact = dataclasses.replace(artifact, labels=class_labels)
        before = dataclasses.replace(before, names=f"{names}; {options.logits} is taken for the classes, as you say")
    height, width = options.size or (size.height, size.width)
    wanted = dataclasses.replace(size, height=height, width=width, channels=options.channels or size.channels)
    wanted = _resized_by(wanted, options.resize or size.resizing)
    description = dataclasses.replace(artifact.description, input=_resized(artifact, wanted))
    if wanted.channels != size.channels:
        wanted = dataclasses.replace(wanted, colour_order="grey" if wanted.channels == 1 else "RGB")
    whose = before.whose
    if options.mean is not None or options.std is not None:
        mean = size.mean if options.mean is None else options.mean
        std = size.std if options.std is None else options.std
        wanted, whose = dataclasses.replace(wanted, mean=mean, std=std), "as you say"
    for name, numbers in (("mean", wanted.mean), ("std", wanted.std)):
        if isinstance(numbers, tuple) and len(numbers) != wanted.channels:
            raise UsageError(
                f"--{name} {_listed(numbers)} names {len(numbers)} channels, {artifact.name} takes {wanted.channels}.",
                "one number for all channels, or one for each",
            )
    artifact = dataclasses.replace(artifact, description=description, preprocessing=wanted)
    return dataclasses.replace(before, artifact=artifact, whose=whose)


def _classes(path: Path, description: Description) -> tuple[Description, tuple[str, ...], str]:
    """Find the output that names the classes, and their names.

    Among several outputs it is the only one with a value for each name, or, if the names do not decide it, the first.

    Returns:
        (the description with that output, the names, who says so).
    """
    class_labels, source = class_names(path, description, class_count(description.output))
    if len(description.outputs) < 2:
        return description, class_labels, source
    fits = []
    for output in description.outputs:
        names, whose = class_names(path, description, class_count(output))
        if names and len(names) == class_count(output):
            fits.append((output, names, whose))
    if len(fits) == 1:
        (output, class_labels, source) = fits[0]
        description = dataclasses.replace(description, output=output)
    several = ", ".join(output.name for output in description.outputs)
    return (
        description,
        class_labels,
        f"{source}; of its outputs ({several}) {description.output.name} is taken for the classes",
    )


def class_names(path: Path, description: Description, count: int) -> tuple[tuple[str, ...], str]:
    """Read the names of `count` classes from the file itself, or from a label file beside it with as many.

    Returns:
        (the names, who says so); no names if there are none that fit.
    """
    if description.labels:
        return description.labels, f"classes {labels.listed(description.labels)}, by the file itself"
    misfits = []
    for beside in labels.files_beside(path):
        try:
            names = labels.read(beside)
        except DataError as error:
            misfits.append(error.sentence.rstrip("."))
            continue
        if len(names) == count:
            return names, f"classes {labels.listed(names)}, by {beside.name} beside it"
        misfits.append(f"{beside.name} beside it names {len(names)} and it puts out {count}")
    return (), "; ".join(["it names no classes", *misfits])


def assumed_preprocessing(spec: TensorSpec) -> Preprocessing:
    """Return the preprocessing of a file without a card: raw pixel values, in its input's shape."""
    shape = tuple(max(1, size) for size in spec.shape)
    if len(shape) == 4 and spec.layout == "NHWC":
        _, height, width, channels = shape
    elif len(shape) == 4 and spec.layout == "NCHW":
        _, channels, height, width = shape
    else:
        height, width, channels = 1, math.prod(shape[1:]), 1
    colour_order = "grey" if channels == 1 else "RGB"
    return Preprocessing(height=height, width=width, channels=channels, colour_order=colour_order, resize=CROP.rule)


def _resized_by(before: Preprocessing, resizing: Resizing) -> Preprocessing:
    return dataclasses.replace(before, resize=resizing.rule, resizing=resizing)


def fed_words(spec: TensorSpec, size: Preprocessing) -> str:
    """Say what an input tensor holds for a pixel, such as "(pixel - 127.5) / 127.5"."""
    if spec.dtype in ("int8", "uint8"):
        return "bytes less 128" if spec.dtype == "int8" else "bytes"
    if not spec.dtype.startswith("float") and not spec.scale:
        return "raw pixels"
    if (size.mean, size.std) == (0.0, 1.0):
        return "raw pixels"
    mean, std = _listed(size.mean), _listed(size.std)
    return f"pixel / {std}" if size.mean == 0 else f"(pixel - {mean}) / {std}"


def _read_by(artifact: Artifact, name: str) -> Description:
    """Return the description with the output `name`; raise UsageError if there is none."""
    outputs = artifact.description.outputs or (artifact.description.output,)
    for output in outputs:
        if output.name == name:
            return dataclasses.replace(artifact.description, output=output)
    raise UsageError(f"{artifact.path} has no output {name!r}.", nearest(name, (output.name for output in outputs)))


def _resized(artifact: Artifact, wanted: Preprocessing) -> TensorSpec:
    """Return the input with its open sizes filled in; raise UsageError if a fixed size differs."""
    spec = artifact.description.input
    picture = {"H": wanted.height, "W": wanted.width, "C": wanted.channels}
    if spec.layout not in ("NHWC", "NCHW"):
        fits = math.prod(picture.values()) == math.prod(spec.shape[1:])
        shape = spec.shape
    else:
        own = dict(zip(spec.layout, spec.shape, strict=True))
        fits = all(own[axis] <= 1 or own[axis] == size for axis, size in picture.items() if axis != "C")
        fits = fits and own["C"] in (picture["C"], 0, -1)
        shape = tuple((own | picture)[axis] for axis in spec.layout)
    if not fits:
        words = " x ".join(map(str, picture.values()))
        raise UsageError(
            f"{artifact.path} takes {' x '.join(map(str, spec.shape[1:]))} ({spec.layout or 'flat'}), not {words}.",
            "leave --size and --channels out: pictures are brought to what it takes",
        )
    return dataclasses.replace(spec, shape=shape)


def _listed(numbers: Number | None) -> str | None:
    if numbers is None:
        return None
    return ",".join(f"{value:g}" for value in (numbers if isinstance(numbers, tuple) else (numbers,)))
