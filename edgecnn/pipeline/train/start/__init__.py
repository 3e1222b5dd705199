"""Weights that a training starts from: those of a run, in a file, or of a net that was trained on ImageNet.

`start` of a recipe names them: a run folder or zoo:NAME, FILE.safetensors or FILE.pt, or imagenet:NAME. If they were
trained for other classes, the layer of the logits keeps the weights it was drawn with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from edgecnn.data import Splits
from edgecnn.pipeline.train.start import class_weights, imagenet, run_weights, weights_in_file
from edgecnn.records import pretrained
from edgecnn.records.recipe import Recipe


@dataclass(frozen=True)
class Start:
    """What a training starts from."""

    weights: Mapping[str, Tensor]
    """A state dict of the net."""
    normalisation: tuple[float, float] | None
    """(mean, std) of the pixels that they were trained on; None if nobody says."""


def load(recipe: Recipe, net: nn.Module, splits: Splits) -> Start:
    """Load the weights that `recipe.start` names.

    Args:
        recipe: of the new training.
        net: as it was just built from the recipe.
        splits: their classes and image shape are those `net` was built for.

    Raises:
        RunError: there is no such run, or its net is another.
        ModelFileError: the file does not hold weights of this net.
        MissingPackage: the package with the weights is not installed.
        UsageError: no pretrained net has that name.
    """
    own = net.state_dict()
    of_classes = class_weights.names(recipe.net, splits)
    if pretrained.is_named(recipe.start):
        model = pretrained.get(recipe.start)
        return Start(imagenet.weights(model, own, of_classes), (model.mean, model.std))
    if pretrained.is_file(recipe.start):
        return Start(weights_in_file.weights(Path(recipe.start), own, of_classes), None)
    return Start(*run_weights.weights(recipe, own, of_classes, splits.train.classes))
