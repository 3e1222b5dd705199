"""mobilenet-v2: MobileNetV2, inverted residual blocks (Sandler et al., 2018, CVPR, arXiv:1801.04381, table 2).

width = 32 is the whole net, with 2,223,872 parameters before its last layer. Narrower ones of the paper's code round
their channels to multiples of 8: width = 16 with multiple = 8 is its multiplier of 0.5.
"""

from __future__ import annotations

import math

from edgecnn.nets import layers

KNOBS = ("width",)
ANY_SIZE = True
SPACE = {"width": (8, 12, 16, 24, 32), "features": (160, 320, 640, 1280), "multiple": (4, 8)}

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, output channels of the whole net, blocks, and stride of the first block."""
WHOLE = 32
"""Channels of the whole net's stem."""


def build(
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    width: int = 16,
    whole_stem: bool = False,
    depth: float = 1.0,
    features: int = 1280,
    multiple: int = 1,
    activation: str = "relu6",
    dropout: float = 0.0,
) -> layers.ConvNet:
    """Build the net.

    Args:
        input_shape: (C, H, W) of one image.
        classes: the number of classes.
        width: channels of the stem, with which those of all blocks are scaled.
        whole_stem: give the stem the channels of the whole net's, and scale those of the blocks alone.
        depth: blocks of a stage, relative to the paper's and rounded up; the first and the last stage keep theirs.
        features: channels of the last convolution, which nets of less than the whole width keep in the paper.
        multiple: the number that channels are rounded to multiples of.
        activation: "relu", "relu6" or "none".
        dropout: before the last layer, in training.

    Raises:
        PlanError: a number below its least, or an unknown activation.
    """
    layers.require_positive(width=width, multiple=multiple, features=features)
    layers.require_above_zero(depth=depth)
    layers.require_depth(depth=math.ceil(depth * max(count for _, _, count, _ in STAGES)))
    layers.require_dropout(dropout)
    first = WHOLE if whole_stem else layers.rounded_channels(width, multiple)
    stages = [
        (
            expansion,
            3,
            layers.rounded_channels(channels * width / WHOLE, multiple),
            count if stage in (0, len(STAGES) - 1) else math.ceil(round(count * depth, 6)),
            stride,
        )
        for stage, (expansion, channels, count, stride) in enumerate(STAGES)
    ]
    net = layers.ConvNet(
        stem=layers.conv_bn(input_shape[0], first, 3, stride=2, act=layers.activation(activation)),
        blocks=layers.inverted_stages(first, stages, activation),  # (N, 10 width, ceil(H / 32), ceil(W / 32))
        features=layers.conv_bn(stages[-1][2], features, 1, act=layers.activation(activation)),
        head=layers.GlobalHead(features, classes, dropout),
    )
    layers.initialise(net)
    return net
