"""A net's answers to pictures, without gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from edgecnn.data import Images
from edgecnn.nets import device

BATCH = 500
"""Pictures in one forward pass."""


def logits(net: nn.Module, pictures: Images, mean: float, std: float) -> Tensor:
    """float32 (N, K) of uint8 (N, H, W, C), in eval mode; on the CPU, wherever the net is."""
    net.eval()
    where, parts = device.net_device(net), []
    with torch.no_grad():
        for start in range(0, len(pictures), BATCH):
            pixels = torch.from_numpy(np.array(pictures[start : start + BATCH]))
            inputs = normalised(pixels.to(torch.float32), mean, std)
            parts.append(device.move(net(device.move(inputs, where)), device.CPU))
    return torch.cat(parts)


def normalised(values: Tensor, mean: float, std: float) -> Tensor:
    """float32 (N, H, W, C) of raw pixels, changed in place -> (N, C, H, W) in channels-last memory."""
    return values.sub_(mean).div_(std).permute(0, 3, 1, 2)
