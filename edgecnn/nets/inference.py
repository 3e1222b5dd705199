"""Inference: the logits of a net, without gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from edgecnn.data import Images
from edgecnn.nets import device

BATCH = 500
"""Images in one forward pass, if they are small."""
SMALL = 64 * 64
"""The most pixels of an image that is small: the activations of larger ones would take gigabytes."""


def batch_size(images: Images, most: int = BATCH) -> int:
    """Return how many of the images, uint8 (N, H, W, C), go through a net at once, at most `most`."""
    return max(1, min(most, most * SMALL // (images.shape[1] * images.shape[2])))


def logits(net: nn.Module, images: Images, mean: float, std: float, mirrored: bool = False) -> Tensor:
    """Compute the logits of images and leave the net in eval mode.

    Args:
        net: on any device.
        images: uint8 (N, H, W, C).
        mean: of the pixels, to normalize them.
        std: of the pixels, to normalize them.
        mirrored: show the images left to right.

    Returns:
        float32 (N, K), on the CPU.
    """
    net.eval()
    target, batches, size = device.net_device(net), [], batch_size(images)
    with torch.no_grad():
        for start in range(0, len(images), size):
            pixels = torch.from_numpy(np.array(images[start : start + size]))
            inputs = normalised((pixels.flip(2) if mirrored else pixels).to(torch.float32), mean, std)
            batches.append(device.move(net(device.move(inputs, target)), device.CPU))
    return torch.cat(batches)


def normalised(values: Tensor, mean: float, std: float) -> Tensor:
    """Normalize raw pixels, float32 (N, H, W, C), in place; return them as (N, C, H, W) in channels-last memory."""
    return values.sub_(mean).div_(std).permute(0, 3, 1, 2)
