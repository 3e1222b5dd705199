"""The net before its first step: built from the recipe, with the weights that it starts from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import nn

from edgecnn import data, nets
from edgecnn.data import Splits
from edgecnn.nets import code, culprit
from edgecnn.pipeline.train import start
from edgecnn.records.recipe import Recipe


def build(recipe: Recipe, splits: Splits, begun: Path | None) -> tuple[nn.Module, float, float]:
    """Build the net on the CPU.

    Args:
        recipe: of the training.
        splits: what it is trained on.
        begun: the run folder of a training that is resumed, which holds the code of the user's own net.

    Returns:
        The net, and the mean and deviation by which its pixels are normalized: those of the weights it starts from, or
        else of the training images.

    Raises:
        EdgecnnError: the net cannot be built, or `recipe.start` does not name weights for it.
    """
    training, plan = splits.train, recipe.net
    if begun is not None:
        plan = code.kept(plan, begun)
    net = nets.build(plan, training.input_shape, len(training.classes))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # in place
    normalisation = None
    if recipe.start:
        first = start.load(dataclasses.replace(recipe, net=plan), net, splits)
        net.load_state_dict(dict(first.weights))
        normalisation = first.normalisation
    if code.is_code(plan.name) and begun is None:
        culprit.require_exportable(net, training.input_shape)
    return net, *(normalisation or data.pixel_statistics(training.images))
