"""What a trained net answers, in float and as the int8 file a device would run, and where it puts a shifted picture."""

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
"""Rows down and columns right."""


def float_classes(run: Run, images: Images) -> Classes:
    """The net's answers (N,) to uint8 pictures (N, H, W, C)."""
    from edgecnn.pipeline.export import check

    answers: Classes = check.reference_logits(run, images).argmax(1)
    return answers


def int8_file(run: Run) -> Artifact:
    """The run's int8 TFLite file; written unless it is there."""
    from edgecnn.pipeline.export import export

    for path in (path for path in run.exported() if "int8" in path.name and path.suffix == ".tflite"):
        if found := artifacts.read_card(path):
            return found
    (made,) = export.export(run, ExportPlan(name="lesson", format=("tflite",), precision=("int8",)))
    return made


def file_classes(artifact: Artifact, images: Images) -> Classes:
    """A file's answers (N,) to uint8 pictures (N, H, W, C), one at a time."""
    from edgecnn.pipeline.export import check

    answers: Classes = tensors.decode(check.outputs(artifact, images), artifact.description.output).argmax(1)
    return answers


def hits(run: Run) -> npt.NDArray[np.bool_]:
    """Which pictures of its data set's test split the run's net gets right, (N,)."""
    test = seen.splits_of(run).test
    right: npt.NDArray[np.bool_] = float_classes(run, test.load_all()) == test.labels
    return right


def shifted(images: Images, pixels: int, seed: int = 0) -> Images:
    """Each picture (N, H, W, C) moved by so many pixels up, down, left or right, drawn for it; black moves in."""
    which = np.random.default_rng(seed).integers(0, len(DIRECTIONS), len(images))
    result = np.empty_like(images)
    for direction, (down, right) in enumerate(DIRECTIONS):
        chosen = which == direction
        result[chosen] = moved(images[chosen], down * pixels, right * pixels)
    return result


def moved(images: Images, down: int, right: int) -> Images:
    """Pictures (N, H, W, C) moved by so many rows and columns; black moves in."""
    height, width = images.shape[1:3]
    result = np.zeros_like(images)
    if abs(down) < height and abs(right) < width:
        here, there = _overlap(down, height), _overlap(right, width)
        result[:, here[0], there[0]] = images[:, here[1], there[1]]
    return result


def _overlap(by: int, size: int) -> tuple[slice, slice]:
    """(where what stays lands, where it comes from) of `size` pixels moved by fewer."""
    return slice(max(0, by), size + min(0, by)), slice(max(0, -by), size + min(0, -by))


def kept(answer: Callable[[Images], Classes], images: Images, pixels: int) -> npt.NDArray[np.bool_]:
    """Which pictures (N,) keep their class when moved: shift consistency (Zhang, 2019, ICML, section 4.1)."""
    same: npt.NDArray[np.bool_] = answer(images) == answer(shifted(images, pixels))
    return same
