"""Batch-norm statistics as the kept weights need them, not as training happened to leave them.

The running averages of training lag behind the weights, see augmented pictures in low precision, and do not
fit averaged weights at all. So they are measured anew on plain training pictures ("precise batch norm", Y. Wu and
J. Johnson, 2021, arXiv:2105.07576, section 3; for averaged weights P. Izmailov et al., 2018, arXiv:1803.05407).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edgecnn.data import Split
from edgecnn.nets import device, inference

PICTURES = 4096
"""Drawn from the training split; twice as many moved no validation accuracy beyond its noise."""

BATCH = 512


def recompute_batch_norm(net: nn.Module, training: Split, mean: float, std: float, seed: int) -> None:
    """Replace every batch norm's running mean and variance by those over a seeded draw of `training`."""
    layers = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain average over all batches
    drawn = np.random.default_rng(seed).permutation(len(training))[:PICTURES]
    net.train()
    with torch.no_grad():
        for start in range(0, len(drawn), BATCH):
            pixels = torch.from_numpy(training.images[drawn[start : start + BATCH]])  # (N, H, W, C)
            inputs = inference.normalised(pixels.to(torch.float32), mean, std)
            net(device.move(inputs, device.net_device(net)))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    net.eval()
