"""A net that was trained on pixels normalised in another way than a run's input tensor can hold.

An int8 input holds (pixel - mean) / std without rounding for one mean, a whole number, and one std. A net that was
trained with a mean and a std for each channel gets a layer in front that turns one into the other: a 1x1 depthwise
convolution, which every format and the quantizer know. It cannot be folded into the next layer, whose padding adds
zeros, which are zeros of the net's own normalisation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgecnn.records.run import Imported


class Renormalised(nn.Module):
    """A layer from (pixel - mean) / std of a run to those of its net, and the net."""

    def __init__(self, net: nn.Module, imported: Imported, mean: float, std: float, channels: int) -> None:
        super().__init__()
        self.rescale = nn.Conv2d(channels, channels, 1, groups=channels)
        own_mean = torch.tensor(imported.mean, dtype=torch.float64).expand(channels)
        own_std = torch.tensor(imported.std, dtype=torch.float64).expand(channels)
        with torch.no_grad():
            self.rescale.weight.copy_((std / own_std).reshape(-1, 1, 1, 1))
            self.rescale.bias.copy_((mean - own_mean) / own_std)  # type: ignore[union-attr]
        self.net = net

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W)
        logits: Tensor = self.net(self.rescale(x))  # (N, classes)
        return logits


def wrap(net: nn.Module, imported: Imported | None, mean: float, std: float, channels: int) -> nn.Module:
    """Return the net for pixels normalised by a run's `mean` and `std`; itself if it was trained with them."""
    if imported is None or (set(imported.mean), set(imported.std)) == ({mean}, {std}):
        return net
    return Renormalised(net, imported, mean, std, channels)


def shared(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[float, float]:
    """Return the (mean, std) of the run for a net that was trained with these, one for all channels or one for each."""
    middle = sum(mean) / len(mean)
    scale = sum(map(abs, std)) / len(std)
    return float(round(min(max(middle, 0), 255))), std[0] if len(set(std)) == 1 and std[0] > 0 else round(scale, 4)
