"""Pictures of what a net looks for: its first filters, and where it found the evidence for its answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgecnn.errors import EdgecnnError
from edgecnn.records.run import Run
from edgecnn.records.shown_pictures import ShownPictures
from edgecnn.studies.page import thumbnails
from edgecnn.studies.page.gather import Trained

if TYPE_CHECKING:
    from torch import nn

MOST_FILTERS = 64
COLUMNS = 16
MOST_EACH = 6
"""Pictures that are answered rightly, and as many wrongly."""
SIDE = 112
"""Side of a map in pixels."""
WARM = np.array([213.0, 94.0, 0.0])
"""The colour of evidence, Okabe and Ito's vermilion."""
MOST_COVER = 0.8


@dataclass(frozen=True, kw_only=True)
class ActivationPicture:
    """A test picture, and where the net found what speaks for a class."""

    picture: str
    """Data URLs."""
    for_answer: str
    for_truth: str
    """Empty if the answer is right."""
    truth: str
    answer: str
    percent: float
    """The answer's share of the softmax."""
    is_small: bool


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The filters and activation maps of a run's net, as pictures."""

    run: Run
    filters: str = ""
    """Data URL, empty without."""
    filters_told: str = ""
    correct: tuple[ActivationPicture, ...] = ()
    wrong: tuple[ActivationPicture, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    """(what is missing, the command that makes it) of each part that is."""


def shown(trained: Trained) -> Sight:
    """Open the net of a run and draw what it sees: a forward pass of a dozen pictures, about a second."""
    run = trained.run
    try:
        from edgecnn import nets

        net = nets.restore(run)
    except (EdgecnnError, ImportError) as error:
        sentence = error.sentence if isinstance(error, EdgecnnError) else f"{error.name} is not installed."
        hint = (error.hint or "") if isinstance(error, EdgecnnError) else "pip install 'edgecnn[train]'"
        return Sight(run=run, missing=((f"The net of {run.name} cannot be opened: {sentence.rstrip('.')}", hint),))
    pictures = trained.evaluated.pictures if trained.evaluated else None
    filters, told = _filters(net)
    missing = [] if filters else [(f"{run.name} does not begin with a convolution, so it has no filters to show", "")]
    correct, wrong = [], []
    if pictures is None:
        missing.append((f"Where {run.name} looks needs test pictures", trained.eval_command))
    elif not _fits(run, pictures):
        missing.append((f"The pictures that the evaluation kept are not of the size {run.name} takes", ""))
    else:
        looked = list(_looked(run, net, pictures))
        correct = [picture for picture in looked if not picture.for_truth][:MOST_EACH]
        wrong = [picture for picture in looked if picture.for_truth][:MOST_EACH]
        if not looked:
            words = "does not end in global average pooling and one linear layer"
            missing.append((f"{run.name} {words}, so there is no exact map of where it looks", ""))
    return Sight(
        run=run, filters=filters, filters_told=told, correct=tuple(correct), wrong=tuple(wrong), missing=tuple(missing)
    )


def _fits(run: Run, pictures: ShownPictures) -> bool:
    """Return whether the net takes the pictures, and knows their classes."""
    channels, height, width = run.input_shape
    known = (pictures.truth >= 0) & (pictures.truth < len(run.labels))
    return pictures.images.shape[1:] == (height, width, channels) and bool(known.all())


def _filters(net: nn.Module) -> tuple[str, str]:
    """Return the first filters as one picture, and a sentence about them; two empty texts without."""
    from edgecnn.nets import sight

    weights = sight.first_filters(net)
    if weights is None:
        return "", ""
    count, channels, height, width = weights.shape
    some = weights[:MOST_FILTERS]
    largest = float(np.abs(some).max()) or 1.0
    scaled = np.clip(127.5 + 127.5 * some / largest, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    zoom = max(1, 28 // max(height, width))
    columns = min(COLUMNS, len(some))
    rows = -(-len(some) // columns)
    step_y, step_x = height * zoom + 4, width * zoom + 4
    sheet = np.full((rows * step_y - 4, columns * step_x - 4, channels), 255, np.uint8)
    for index, tile in enumerate(scaled):
        y, x = index // columns * step_y, index % columns * step_x
        sheet[y : y + height * zoom, x : x + width * zoom] = tile.repeat(zoom, 0).repeat(zoom, 1)
    which = f"The {count}" if count <= MOST_FILTERS else f"The first {MOST_FILTERS} of {count}"
    kind = "mid-grey is 0, white the largest weight, black the most negative"
    if channels == 3:
        kind = "a colour is what it answers to most, mid-grey is 0"
    return thumbnails.exact(sheet), f"{which} filters of the first convolution, {height} × {width} pixels each: {kind}."


def _looked(run: Run, net: nn.Module, pictures: ShownPictures) -> Iterator[ActivationPicture]:
    """Yield the pictures with the evidence for the net's answers; none if the net has no exact maps."""
    from edgecnn.nets import sight
    from edgecnn.onboard.unknown import softmax

    seen = sight.class_activation(net, pictures.images, run.mean, run.std)
    if seen is None:
        return
    shares, answers = softmax(seen.logits), seen.logits.argmax(1)
    for place, (image, truth, answer) in enumerate(zip(pictures.images, pictures.truth, answers, strict=True)):
        yield ActivationPicture(
            picture=thumbnails.address(image, SIDE),
            for_answer=_heat(image, seen.maps[place, answer]),
            for_truth="" if truth == answer else _heat(image, seen.maps[place, truth]),
            truth=run.labels[truth],
            answer=run.labels[answer],
            percent=100 * float(shares[place, answer]),
            is_small=max(image.shape[:2]) < SIDE,
        )


def _heat(image: npt.NDArray[np.uint8], evidence: npt.NDArray[np.float32]) -> str:
    """Return a picture in grey, warm where there is evidence for a class: the more, the warmer.

    Args:
        image: (H, W, C).
        evidence: (h, w), enlarged by bilinear interpolation as in the paper; what speaks against is left grey.
    """
    from PIL import Image

    height, width = image.shape[:2]
    zoom = SIDE / max(height, width)
    size = max(1, round(width * zoom)), max(1, round(height * zoom))
    resample = Image.Resampling.NEAREST if zoom >= 2 else Image.Resampling.BILINEAR
    grey = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).convert("L").resize(size, resample)
    heat = np.asarray(Image.fromarray(np.maximum(evidence, 0)).resize(size, Image.Resampling.BILINEAR))
    cover = (MOST_COVER * heat / heat.max() if heat.max() > 0 else heat)[:, :, None]
    mixed = (1 - cover) * np.asarray(grey, np.float64)[:, :, None] + cover * WARM
    return thumbnails.address(mixed.astype(np.uint8), SIDE)
