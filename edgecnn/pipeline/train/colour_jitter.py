"""Random changes of colours: one linear map of an image's red, green and blue turns and stretches them about grey.

Saturation scales the two axes of YIQ that hold the colour, hue turns them; brightness (Y, the luma of ITU-R BT.601)
stays as it is. A map for each image makes that one batched product of matrices, where HSV needs a dozen passes.
"""

from __future__ import annotations

import torch
from torch import Tensor

TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], dtype=torch.float64)
"""From red, green and blue to the axes of NTSC: luma, in-phase, quadrature."""
LUMA = TO_YIQ[0].float()


def matrices(saturation: Tensor, degrees: Tensor) -> Tensor:
    """Return the maps (N, 3, 3) that a row (red, green, blue) is multiplied by.

    Args:
        saturation: (N,) factors; 0 is grey and 1 leaves it.
        degrees: (N,) by which hues turn.
    """
    angles, scale = torch.deg2rad(degrees.double()), saturation.double()
    turn = torch.zeros(len(angles), 3, 3, dtype=torch.float64)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = scale * angles.cos()
    turn[:, 2, 1] = scale * angles.sin()
    turn[:, 1, 2] = -turn[:, 2, 1]
    whole: Tensor = torch.linalg.inv(TO_YIQ) @ turn @ TO_YIQ
    return torch.transpose(whole, 1, 2).float()


def apply(values: Tensor, maps: Tensor) -> Tensor:
    """Return float32 (N, H, W, 3) in 0..255 with every pixel multiplied by its image's map of (N, 3, 3)."""
    return torch.bmm(values.flatten(1, 2), maps).view(values.shape).clamp_(0, 255)
