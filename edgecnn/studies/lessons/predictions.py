"""Predictions of a trained net, in float and as an int8 file, and their consistency under shifts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgecnn.onboard import tensors
from edgecnn.pipeline.train import seen
from edgecnn.records import artifact as artifacts
from edgecnn.records.artifact import Artifact
from edgecnn.records.plans import ExportPlan
from edgecnn.records.run import Run

Images = npt.NDArray[np.uint8]
Classes = npt.NDArray[np.int64]

DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Shifts as (rows down, columns right)."""


def float_classes(run: Run, images: Images) -> Classes:
    """Classify uint8 images (N, H, W, C) with the float net; return classes (N,)."""
    from edgecnn.pipeline.export import check

    answers: Classes = check.reference_logits(run, images).argmax(1)
    return answers


def int8_file(run: Run) -> Artifact:
    """Return the run's int8 TFLite file, which is written if it does not exist."""
    from edgecnn.pipeline.export import export

    for path in (path for path in run.exported() if "int8" in path.name and path.suffix == ".tflite"):
        if existing := artifacts.read_card(path):
            return existing
    (artifact,) = export.export(run, ExportPlan(name="lesson", format=("tflite",), precision=("int8",)))
    return artifact


def file_classes(artifact: Artifact, images: Images) -> Classes:
    """Classify uint8 images (N, H, W, C) with a model file, one at a time; return classes (N,)."""
    from edgecnn.pipeline.export import check

    answers: Classes = tensors.decode(check.outputs(artifact, images), artifact.description.output).argmax(1)
    return answers


def hits(run: Run) -> npt.NDArray[np.bool_]:
    """Return whether the run's net classifies each picture of its test split correctly, (N,)."""
    test = seen.splits_of(run).test
    correct: npt.NDArray[np.bool_] = float_classes(run, test.load_all()) == test.labels
    return correct


def shifted(images: Images, pixels: int, seed: int = 0) -> Images:
    """Shift each image of (N, H, W, C) by `pixels` in a random one of four directions, filling with black."""
    directions = np.random.default_rng(seed).integers(0, len(DIRECTIONS), len(images))
    result = np.empty_like(images)
    for direction, (down, right) in enumerate(DIRECTIONS):
        selected = directions == direction
        result[selected] = moved(images[selected], down * pixels, right * pixels)
    return result


def moved(images: Images, down: int, right: int) -> Images:
    """Shift images (N, H, W, C) by a number of rows and columns, filling with black."""
    height, width = images.shape[1:3]
    result = np.zeros_like(images)
    if abs(down) < height and abs(right) < width:
        rows, columns = _overlap(down, height), _overlap(right, width)
        result[:, rows[0], columns[0]] = images[:, rows[1], columns[1]]
    return result


def _overlap(by: int, size: int) -> tuple[slice, slice]:
    """Return the (destination, source) slices of a shift by fewer than `size` pixels."""
    return slice(max(0, by), size + min(0, by)), slice(max(0, -by), size + min(0, -by))


def kept(answer: Callable[[Images], Classes], images: Images, pixels: int) -> npt.NDArray[np.bool_]:
    """Return whether each image keeps its class when shifted, (N,): consistency (Zhang, 2019, ICML, section 4.1)."""
    same: npt.NDArray[np.bool_] = answer(images) == answer(shifted(images, pixels))
    return same
