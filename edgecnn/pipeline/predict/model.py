"""A model file in this process: pictures in, classes with their scores out, as on the device."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from edgecnn import formats
from edgecnn.common import console
from edgecnn.errors import DataError, EdgecnnError, ModelFileError, UsageError
from edgecnn.onboard import pixel_types, preprocessing, runtimes
from edgecnn.onboard.runner import contents
from edgecnn.onboard.runner.classify import TOP, Classification, Classifier
from edgecnn.onboard.unknown import AUTO
from edgecnn.records import artifact, foreign, resolve
from edgecnn.records.artifact import Artifact, class_count
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.run import is_run, open_run

if TYPE_CHECKING:
    from PIL.Image import Image

CHANNELS = (1, 3, 4)
"""What the last axis of an array may hold: grey, RGB, or RGB and opacity."""


class Model:
    """A model file, loaded once: called with a picture it says which classes it sees, the best first.

    Decoding, resizing and normalising are those of training and of a deployed model, one picture at a time, so the
    answer is the device's. For one thread at a time.

    Attributes:
        artifact: The file and how it is fed.
        labels: The classes, in the order of the outputs.
    """

    def __init__(self, file: Artifact, runtime: str, num_threads: int = 1, choice: str | float = AUTO) -> None:
        if (channels := file.preprocessing.channels) not in (1, 3):
            raise ModelFileError(f"{file.path} takes {channels} channels, which no picture has.", "1 or 3 can be read")
        self.artifact = file
        self.labels = file.labels
        self._classifier = Classifier(file, runtime, num_threads, choice=choice)

    def __repr__(self) -> str:
        return f"<edgecnn model {self.artifact.path}: {len(self.labels)} classes>"

    @overload
    def __call__(self, picture: str | os.PathLike[str] | bytes | Image, top: int = TOP) -> Classification: ...

    @overload
    def __call__(self, picture: list[Any] | tuple[Any, ...], top: int = TOP) -> list[Classification]: ...

    @overload
    def __call__(self, picture: npt.NDArray[np.uint8], top: int = TOP) -> Any: ...

    def __call__(self, picture: Any, top: int = TOP) -> Any:
        """Classify one picture, or a batch of them.

        Args:
            picture: The path of a picture file, its bytes, a Pillow image, or a uint8 array (H, W) or (H, W, C) in
                RGB order, of any size; a list of them or an array (N, H, W, C) is a batch. A JPEG of more than 25
                million pixels is read at a fraction of its size, but for one that Pillow has opened.
            top: How many classes to tell.

        Returns:
            A Classification, for a batch a list of them: `label` and `score` of the best class, and `top`, the best
            ones as (label, score). A score is the softmax of the model's outputs, calibrated if its card tells how. For
            a picture that the model should not answer, `label` is "unknown", and `unknown` says why.

        Raises:
            DataError: A picture cannot be read, or an array is no picture.
            ModelFileError: The model answers with no numbers.
        """
        if isinstance(picture, (list, tuple)) or (isinstance(picture, np.ndarray) and picture.ndim == 4):
            return [self._answer(single, top) for single in picture]
        return self._answer(picture, top)

    def _answer(self, picture: Any, top: int) -> Classification:
        if isinstance(picture, bytes):
            return self._classifier(picture, top)
        if isinstance(picture, (str, os.PathLike)):
            return self._classifier(Path(picture), top)
        if self.artifact.sound is not None:
            raise DataError(
                f"{self.artifact.path} hears sounds, and no {type(picture).__name__} is one.",
                "name a WAV file, or its bytes",
            )
        start, size = time.perf_counter(), self.artifact.preprocessing
        image = _drawn(picture) if isinstance(picture, np.ndarray) else _upright(picture)
        shape = {"height": size.height, "width": size.width, "channels": size.channels}
        pixels = preprocessing.fit(image, **shape, resizing=size.resizing)
        return self._classifier.answer(pixels, start, top)


def load_model(
    path: str | os.PathLike[str] | Artifact,
    *,
    pictures: PictureOptions | None = None,
    num_threads: int = 1,
    unknown: str | float = AUTO,
) -> Model:
    """Load a model file to classify pictures with.

    Args:
        path: An .onnx or .tflite file of any make, an Artifact that `edgecnn.export` returned, or the folder of a
            bundle that `edgecnn deploy --output` wrote.
        pictures: How pictures are to be fed, against what the file or its card says.
        num_threads: Threads of the runtime.
        unknown: When to answer "unknown": "auto" as the file's card says, "off" never, or where the known score is
            below a number.

    Raises:
        ModelFileError: It is no model file or takes no pictures, or its card is another file's.
        UsageError: It is a run folder, which has several files; or it leaves the size of its input open.
        MissingPackage: The runtime that reads it is not installed.

    Example:
        >>> model = edgecnn.load_model("runs/tiny/artifacts/tiny-int8.onnx")
        >>> answer = model(np.zeros((8, 8), np.uint8))
        >>> answer.label in model.labels and 0 < answer.score <= 1
        True
    """
    place = resolve.path(path)
    if (place / contents.MANIFEST).is_file():
        bundle = contents.open_bundle(place)
        contents.verify(bundle)
        return Model(bundle.artifact, bundle.manifest.runtime, num_threads, unknown)
    if is_run(place):
        names = ", ".join(str(file) for file in open_run(place).exported() if file.suffix in (".onnx", ".tflite"))
        raise UsageError(f"{place} is a run, not a model file.", f"name one of its files: {names or 'none yet'}")
    card = artifact.read_card(place) if place.is_file() else None
    wanted = pictures or PictureOptions()
    known = foreign.with_options(formats.known(place, card, pictures=wanted), wanted)
    if card is None:
        console.note(f"{known.sentence}.")
    runtime = runtimes.for_format(known.artifact.description.format)[0]
    return Model(_with_labels(known.artifact), runtime, num_threads, unknown)


def _with_labels(file: Artifact) -> Artifact:
    """Return the file with its classes called by their numbers where nobody names them."""
    count = class_count(file.description.output)
    return file if file.labels else dataclasses.replace(file, labels=tuple(map(str, range(count))))


def _upright(image: Any) -> Any:
    """Return a copy of somebody's Pillow image, as `preprocessing.upright` makes one of a file."""
    from PIL import Image, ImageOps, TiffImagePlugin

    if not isinstance(image, Image.Image):
        raise DataError(f"A {type(image).__name__} is no picture.", "a path, bytes, a Pillow image or a uint8 array is")
    info = dict(image.info)
    try:
        pixel_types.refuse(image)
        pixel_types.scale_transparency(image)
        copy: Any = image.copy()  # of a TIFF it is upright already
        ImageOps.exif_transpose(copy, in_place=True)
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            copy.format, copy.tag_v2 = image.format, image.tag_v2
        return pixel_types.eight_bits(copy)
    except (EdgecnnError, MemoryError):
        raise
    except Exception as error:  # Pillow's readers raise anything over a damaged file
        raise DataError(f"Cannot read the image: {error}.", getattr(error, "hint", "remove or replace it")) from error
    finally:
        image.info = info


def _drawn(array: npt.NDArray[Any]) -> Any:
    """Return a Pillow image of 8 bits a channel with the pixels of an array (H, W) or (H, W, C). Raises DataError."""
    from PIL import Image

    if array.dtype != np.uint8:
        raise DataError(f"An array of {array.dtype} is no picture.", "pixels are uint8, 0 to 255")
    channels = 1 if array.ndim == 2 else array.shape[-1]
    if array.ndim not in (2, 3) or channels not in CHANNELS or not array.size:
        shape = " x ".join(map(str, array.shape))
        raise DataError(
            f"An array of {shape} is no picture.", "H x W, H x W x C with 1, 3 or 4 channels, or a batch N x H x W x C"
        )
    pixels = np.ascontiguousarray(array if channels > 1 else array.reshape(array.shape[:2]))
    return pixel_types.eight_bits(Image.fromarray(pixels))
