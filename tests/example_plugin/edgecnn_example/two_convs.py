"""two-convs: two convolutions and a linear layer."""

from __future__ import annotations

from torch import Tensor, nn

from edgecnn.nets import layers

KNOBS = ("width",)
ANY_SIZE = True


class TwoConvs(nn.Module):
    """Two strided convolutions, a mean over the picture, and a linear layer."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.first = layers.conv_bn(channels, width, 3, stride=2, act=nn.ReLU())
        self.second = layers.conv_bn(width, 2 * width, 3, stride=2, act=nn.ReLU())
        self.head = layers.GlobalHead(2 * width, classes)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W)
        logits: Tensor = self.head(self.second(self.first(x)))  # (N, classes)
        return logits


def build(*, input_shape: tuple[int, int, int], classes: int, width: int = 16) -> TwoConvs:
    """The net for input_shape = (C, H, W). width: channels of the first convolution; the second has twice as many."""
    layers.require_positive(width=width)
    net = TwoConvs(input_shape[0], classes, width)
    layers.initialise(net)
    return net
