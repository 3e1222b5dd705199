"""Precise batch norm: recompute the batch-norm statistics for the weights that are evaluated and kept.

The running averages of training lag behind the weights, are those of augmented images in low precision, and do not fit
averaged weights at all. So they are recomputed on training images without augmentation (Y. Wu and J. Johnson, 2021,
arXiv:2105.07576, section 3; for averaged weights P. Izmailov et al., 2018, arXiv:1803.05407).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edgecnn.data import Split
from edgecnn.nets import device, inference

IMAGES = 4096
"""Images drawn from the training split; twice as many changed no validation accuracy beyond its noise."""

BATCH = 512
"""Images in one forward pass, if they are small (`inference.batch_size`)."""


def recompute_batch_norm(net: nn.Module, training: Split, mean: float, std: float, seed: int) -> None:
    """Replace the running mean and variance of every batch norm, and leave the net in eval mode.

    Args:
        net: changed in place, on any device.
        training: the split that IMAGES are drawn from.
        mean: of the pixels, to normalize them.
        std: of the pixels, to normalize them.
        seed: of the draw.
    """
    layers = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain average over all batches
    drawn = np.random.default_rng(seed).permutation(len(training))[:IMAGES]
    size = inference.batch_size(training.images, BATCH)
    net.train()
    with torch.no_grad():
        for start in range(0, len(drawn), size):
            pixels = torch.from_numpy(training.images[drawn[start : start + size]])  # (N, H, W, C)
            inputs = inference.normalised(pixels.to(torch.float32), mean, std)
            net(device.move(inputs, device.net_device(net)))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    net.eval()
