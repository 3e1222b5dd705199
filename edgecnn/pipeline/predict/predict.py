"""Classifies pictures one after the other, by any model file or a run's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn import formats
from edgecnn.errors import DataError, EdgecnnError
from edgecnn.onboard import picture_files
from edgecnn.onboard.runner import asked
from edgecnn.onboard.runner.classify import TOP, Classification
from edgecnn.onboard.unknown import AUTO
from edgecnn.pipeline.predict.model import Model, load_model
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.run import is_run


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The answer of a model to one picture, or the reason why there is none."""

    picture: str
    """The file's path, "-" for stdin, or "camera"."""
    source: Path | bytes | None
    """The picture file or its bytes; None if there is none."""
    answer: Classification | None = None
    problem: EdgecnnError | None = None
    """Why the picture could not be read; None if there is an answer."""


def open_model(
    target: Path,
    format: str = "tflite",
    precision: str = "int8",
    pictures: PictureOptions | None = None,
    num_threads: int = 1,
    unknown: str = AUTO,
) -> Model:
    """Load a model to classify pictures with.

    Args:
        target: A run folder, a bundle's folder, or a model file of any make.
        format: Which file of a run to take, by its format.
        precision: The same, by its precision.
        pictures: How pictures are fed, where it differs from what a file says of itself.
        num_threads: Threads of the runtime.
        unknown: When it answers "unknown": "auto", "off", or a number (`unknown.rule_of`).

    Raises:
        UsageError: There is no such target, the run has no such file or several, or `unknown` is none of these.
        ModelFileError: It is no model file, or takes no pictures.
        MissingPackage: The runtime that reads it is not installed.
    """
    path = formats.choose(target, format, precision).path if is_run(target) else target
    return load_model(path, pictures=pictures, num_threads=num_threads, unknown=unknown)


def predict(model: Model, words: Sequence[str], camera: bool = False, top: int = TOP) -> Iterator[Prediction]:
    """Yield a prediction for each picture, as soon as it is made.

    Args:
        model: The model.
        words: Picture files, folders of them, or "-" for one picture on stdin.
        camera: Take a picture with the camera first.
        top: How many classes to tell.

    Raises:
        UsageError: No picture is asked about.
        MissingPackage, EnvironmentUnfit: The camera takes none.
    """
    wanted = picture_files.asked_about(model.artifact)
    for name, picture in asked.pictures(words, camera, wanted):
        if isinstance(picture, EdgecnnError):
            yield Prediction(picture=name, source=None, problem=picture)
            continue
        try:
            answer = model(picture, top)
        except DataError as error:
            yield Prediction(picture=name, source=picture, problem=error)
            continue
        yield Prediction(picture=name, source=picture, answer=answer)


def judge(predictions: Sequence[Prediction]) -> None:
    """Raise DataError if a picture could not be read, once all predictions were shown."""
    problems = [prediction.problem for prediction in predictions if prediction.problem]
    if len(problems) == len(predictions) == 1:
        raise DataError(problems[0].sentence, problems[0].hint)
    if problems:
        raise DataError(f"{len(problems)} of {len(predictions)} pictures could not be read.", problems[0].hint)
