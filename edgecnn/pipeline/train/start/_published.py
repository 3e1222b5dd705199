"""Nets that others trained on ImageNet, made to compute the same in ours.

Ours differ in three things: batch norm adds EPSILON to the variance, pixels have one mean and one deviation for all
channels, and padding lies on both sides. The first two are folded into the weights; zeros that the first convolution is
padded with are then pixels of the mean over all channels, a grey, and no longer those of each channel's mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from edgecnn.common import console
from edgecnn.nets import layers, renormalised
from edgecnn.pipeline.train import weights_file
from edgecnn.pipeline.train.start import NewNet, Start
from edgecnn.pipeline.train.weights_file import LoadedWeights

STEM = "stem.conv.weight"
STEM_MEAN = "stem.bn.running_mean"
STRIDE = 32
"""Pixels of an image to one of the last features'."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A net's weights as they were published, under our names."""

    name: str
    needs: str
    """What a recipe's [net] says of it."""
    tensors: Mapping[str, Tensor]
    sha256: str
    """The digest of the file they were in."""
    mean: tuple[float, ...]
    """Taken off a pixel of 0..255; one for all channels, or one for each."""
    std: tuple[float, ...]
    epsilon: float
    """Added to the variance in its batch norms."""
    same_padding: bool
    """Whether it was padded as TensorFlow does, at the right and below where the size is even."""


def begin(published: Published, net: NewNet) -> Start:
    """Return the weights for a new net, whose last layer stays as it was drawn.

    Raises:
        ModelFileError: [net] describes another net.
    """
    weights = LoadedWeights(published.tensors)
    hint = f"[net] {published.needs}"
    fitted = weights_file.fitted(weights, net.own, published.name, hint, net.of_classes, same_classes=False)
    tensors = _with_our_epsilon(fitted.tensors, published.epsilon)
    mean, std = renormalised.shared(published.mean, published.std)
    _fold_normalisation(tensors, published, mean, std)
    height, width = net.input_shape[1:]
    if published.same_padding and (height % STRIDE, width % STRIDE) != (1, 1):
        fitting = f"{_fitting(height)} x {_fitting(width)}"
        console.note(
            f"{published.name} was trained with TensorFlow's padding, and {height} x {width} pixels are padded on "
            f"other sides here; at sizes of {STRIDE} n + 1, such as {fitting}, both agree"
        )
    return Start(weights=tensors, normalisation=(mean, std), sha256=published.sha256)


def _with_our_epsilon(tensors: Mapping[str, Tensor], epsilon: float) -> dict[str, Tensor]:
    """Return the weights with the scales of batch norms enlarged by what our larger epsilon takes off."""
    result = dict(tensors)
    for name, variance in tensors.items():
        layer, _, part = name.rpartition(".")
        if part == "running_var":
            ratio = ((variance.double() + layers.EPSILON) / (variance.double() + epsilon)).sqrt()
            scale = f"{layer}.weight"
            result[scale] = (tensors[scale].double() * ratio).to(tensors[scale].dtype)
    return result


def _fold_normalisation(tensors: dict[str, Tensor], published: Published, mean: float, std: float) -> None:
    """Make the first layer take (pixel - mean) / std for what it was trained on, but for the border's padding."""
    kernel = tensors[STEM].double()  # (O, C, k, k)
    own_mean, own_std = (
        torch.tensor(values, dtype=torch.float64).expand(kernel.shape[1]) for values in (published.mean, published.std)
    )
    shift = (mean - own_mean) / own_std  # (C,)
    shifted = (kernel * shift.reshape(-1, 1, 1)).sum((1, 2, 3))  # (O,)
    tensors[STEM] = (kernel * (std / own_std).reshape(-1, 1, 1)).to(tensors[STEM].dtype)
    tensors[STEM_MEAN] = (tensors[STEM_MEAN].double() - shifted).to(tensors[STEM_MEAN].dtype)


def _fitting(side: int) -> int:
    """Return the size nearest to a side that is a multiple of STRIDE and 1."""
    return STRIDE * max(1, round((side - 1) / STRIDE)) + 1
