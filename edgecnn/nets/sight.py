"""Visualise a net: its first filters, and the places of a picture that speak for a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edgecnn.nets import inference

CLOSE = 1e-3
"""How far the logits that the maps add up to may be from the net's, relative to the largest: float32's sums."""


@dataclass(frozen=True)
class ActivationMaps:
    """Class activation maps of some pictures."""

    logits: npt.NDArray[np.float32]
    """(N, K)"""
    maps: npt.NDArray[np.float32]
    """(N, K, H, W): what each place adds to a class's logit, times the number of places. Their mean over all places,
    plus the class's bias, is the logit."""


def first_filters(net: nn.Module) -> npt.NDArray[np.float32] | None:
    """Return the filters of the first convolution, (filters, C, H, W); None if the net does not begin with one.

    It begins with one if that convolution, and no linear layer before it, sees 1 or 3 channels.
    """
    for module in net.modules():
        if isinstance(module, nn.Linear):
            return None
        if isinstance(module, nn.Conv2d):
            weights = module.weight.detach().to("cpu", torch.float32).numpy()  # (filters, C / groups, H, W)
            return weights if module.groups == 1 and weights.shape[1] in (1, 3) and min(weights.shape[2:]) > 1 else None
    return None


def class_activation(net: nn.Module, images: npt.NDArray[np.uint8], mean: float, std: float) -> ActivationMaps | None:
    """Compute class activation maps (Zhou et al., 2016, CVPR, arXiv:1512.04150).

    They are exact for a net that ends in global average pooling and one linear layer: a logit is then the mean over all
    places of the features weighted by the class's row. Whether a net ends so is found out by its numbers: the maps must
    add up to its logits.

    Args:
        net: On the CPU.
        images: uint8 (N, H, W, C).
        mean: Of the pixels, to normalize them.
        std: Of the pixels, to normalize them.

    Returns:
        The maps, at the size of the last features; None for a net that does not end so.
    """
    features: list[Tensor] = []
    heads: list[nn.Linear] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(module, nn.Linear):
            heads.append(module)
        elif isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1 and not heads:
            features[:] = [output.detach()]

    hooks = [module.register_forward_hook(note) for module in net.modules()]
    try:
        logits = inference.logits(net, images, mean, std)  # (N, K)
    finally:
        for hook in hooks:
            hook.remove()
    if len(heads) != 1 or not features or features[0].shape[:2] != (len(images), heads[0].in_features):
        return None
    head = heads[0]
    with torch.no_grad():
        maps = torch.einsum("nchw,kc->nkhw", features[0], head.weight)
        summed = maps.mean((2, 3)) + (0 if head.bias is None else head.bias)
    if not torch.allclose(summed, logits, rtol=CLOSE, atol=CLOSE * float(logits.abs().max())):
        return None
    return ActivationMaps(logits.numpy(), maps.to(torch.float32).numpy())
