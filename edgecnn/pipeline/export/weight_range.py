"""A range for int8 weights within which no CPU saturates a sum of products.

On x86-64 with AVX2 and no VNNI, ONNX Runtime multiplies uint8 activations by int8 weights with `vpmaddubsw`: two
neighbouring products are added in 16 bits, and larger sums are silently saturated. 255 x 128 still fits. So if no two
neighbouring weights of the same sign add up to more than 128, every CPU computes the same. A scale at most twice as
coarse ensures that; if a channel's large weights are not neighbours, the scale need not be coarser at all.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchao.quantization.pt2e.observer import (
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
)

LARGEST = 127
"""The largest magnitude of an int8 weight."""
LARGEST_PAIR = 128
"""The largest magnitude of two neighbouring weights of the same sign together: 255 x 128 < 2**15 <= 255 x 129."""


def least_range(weight: Tensor) -> Tensor:
    """Compute for each output channel the least r (K,) for which round(127 w / r) has no pair above LARGEST_PAIR.

    Args:
        weight: float (K, C, kh, kw) of a convolution or (K, C) of a dense layer.
    """
    rows = _rows(weight.detach())
    magnitude = rows[0].abs().amax(1)  # (K,)
    pairs = torch.stack([_largest_pair(order) for order in rows]).amax(0)  # (K,)
    reach = torch.maximum(magnitude, pairs * (LARGEST / LARGEST_PAIR))
    while True:  # rounding may raise a pair by at most one step
        scale = torch.where(reach > 0, reach / LARGEST, torch.ones(()))[:, None]
        high = torch.stack([_largest_pair(torch.round(order / scale)) for order in rows]).amax(0) > LARGEST_PAIR
        if not high.any():
            return reach
        reach = torch.where(high, reach * (1 + 1 / LARGEST_PAIR), reach)


class PerChannel(MovingAveragePerChannelMinMaxObserver):  # type: ignore[misc]  # the interface prepare_pt2e asks for
    """Observes `least_range` of each output channel."""

    def forward(self, weight: Tensor) -> Tensor:
        reach = least_range(weight)
        super().forward(torch.stack([-reach, reach], 1))
        return weight


class PerTensor(MovingAverageMinMaxObserver):  # type: ignore[misc]
    """Observes the largest `least_range` of all output channels."""

    def forward(self, weight: Tensor) -> Tensor:
        reach = least_range(weight).amax()
        super().forward(torch.stack([-reach, reach]))
        return weight


def _rows(weight: Tensor) -> list[Tensor]:
    """Return each output channel's weights (K, n) in every order in which kernels of ONNX Runtime multiply them.

    Channels come last, as one row of kh x kw x C or as kh x kw separate rows; in old versions they come first.
    """
    if weight.ndim < 4:
        return [weight.flatten(1)]
    last = weight.permute(0, 2, 3, 1)  # (K, kh, kw, C)
    orders = [last.flatten(1), weight.flatten(1)]
    if weight.shape[1] % 2:
        orders.append(F.pad(last, (0, 1)).flatten(1))
    return orders


def _largest_pair(rows: Tensor) -> Tensor:
    """Return the largest magnitude (K,) of neighbours of the same sign together, for pairs (0, 1), (2, 3), ..."""
    if rows.shape[1] % 2:
        rows = F.pad(rows, (0, 1))
    pairs = rows.reshape(len(rows), -1, 2)
    return torch.maximum(pairs.clamp(min=0).sum(2), -pairs.clamp(max=0).sum(2)).amax(1)
