"""mobilenet: MobileNetV1, thirteen depthwise-separable blocks (Howard et al., 2017, arXiv:1704.04861, table 1).

width = 32 is the whole net and width = 8 the one with a multiplier of 0.25, which is MLPerf Tiny's net for visual wake
words (Banbury et al., 2021, NeurIPS Datasets and Benchmarks): 210,850 parameters with batch norm folded and 7,489,664
MACs for two classes on 96 x 96 x 3.
"""

from __future__ import annotations

from torch import nn

from edgecnn.nets import layers

KNOBS = ("width",)
ANY_SIZE = True
SPACE = {"width": (4, 8, 12, 16, 24)}

BLOCKS = ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *[(16, 1)] * 5, (32, 2), (32, 1))
"""Output channels of a block, as a multiple of the stem's, and its stride."""


def build(
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    width: int = 8,
    activation: str = "relu6",
    dropout: float = 0.0,
) -> layers.ConvNet:
    """Build the net.

    Args:
        input_shape: (C, H, W) of one image.
        classes: the number of classes.
        width: channels of the stem, which those of all blocks are multiples of.
        activation: "relu", "relu6" or "none".
        dropout: before the last layer, in training.

    Raises:
        PlanError: a number below its least, or an unknown activation.
    """
    layers.require_positive(width=width)
    layers.require_dropout(dropout)
    stem = layers.conv_bn(input_shape[0], width, 3, stride=2, act=layers.activation(activation))
    blocks: list[nn.Module] = []
    channels_in = width
    for multiple, stride in BLOCKS:
        channels_out = multiple * width
        blocks.append(
            layers.SeparableBlock(channels_in, channels_out, kernel=3, stride=stride, act=activation, residual=False)
        )
        channels_in = channels_out
    net = layers.ConvNet(stem, nn.Sequential(*blocks), layers.GlobalHead(channels_in, classes, dropout))
    layers.initialise(net)
    return net
