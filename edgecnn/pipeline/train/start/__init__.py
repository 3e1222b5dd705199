"""Weights that a training starts from: those of a run, in a file, or of a net that was trained on ImageNet.

`start` of a recipe names them: a run folder or zoo:NAME, FILE.safetensors or FILE.pt, or imagenet:NAME. If they were
trained for other classes, the layer of the logits keeps the weights it was drawn with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from edgecnn.pipeline.train.start import imagenet, run_weights, weights_in_file
from edgecnn.records import pretrained
from edgecnn.records.recipe import Recipe


@dataclass(frozen=True)
class Start:
    """What a training starts from."""

    weights: Mapping[str, Tensor]
    """A state dict of the net."""
    normalisation: tuple[float, float] | None
    """(mean, std) of the pixels that they were trained on; None if nobody says."""


def load(recipe: Recipe, own: Mapping[str, Tensor], of_classes: set[str], classes: Sequence[str]) -> Start:
    """Load the weights that `recipe.start` names.

    Args:
        recipe: of the new training.
        own: state dict of its net, as it was just built.
        of_classes: names of the weights that depend on the number of classes.
        classes: of the new training.

    Raises:
        RunError: there is no such run, or its net is another.
        ModelFileError: the file does not hold weights of this net.
        MissingPackage: the package with the weights is not installed.
        UsageError: no pretrained net has that name.
    """
    if pretrained.is_named(recipe.start):
        model = pretrained.get(recipe.start)
        return Start(imagenet.weights(model, own, of_classes), (model.mean, model.std))
    if pretrained.is_file(recipe.start):
        return Start(weights_in_file.weights(Path(recipe.start), own, of_classes), None)
    return Start(*run_weights.weights(recipe, own, of_classes, classes))
