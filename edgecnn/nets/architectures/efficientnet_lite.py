"""efficientnet-lite: EfficientNet without what int8 on small cores is slow or inexact at (R. Liu, 2020, TensorFlow).

EfficientNet (Tan and Le, 2019, ICML, arXiv:1905.11946) is a MobileNetV2 whose widths, depths and kernels were searched
for. The lite nets leave out squeeze-and-excite, take ReLU6 for swish, and keep the stem, the first and the last stage
as they are. Lite0 is width = depth = 1.0 (for 224 x 224), Lite1 depth = 1.1 (240), Lite2 width = 1.1 and depth = 1.2
(260).
"""

from __future__ import annotations

import math

from edgecnn.nets import layers

KNOBS = ()
ANY_SIZE = True
SPACE = {"width": (0.25, 0.5, 0.75, 1.0), "depth": (0.5, 1.0)}

STAGES = (
    (1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2), (6, 5, 112, 3, 1), (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)  # fmt: skip
"""Expansion, kernel, output channels, blocks, and stride of the first block, all of Lite0."""
STEM, FEATURES = 32, 1280
"""Channels of the first and of the last convolution, in nets of every width."""
ACTIVATION = "relu6"
MULTIPLE = 8
"""The number that channels are multiples of."""


def build(
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    width: float = 1.0,
    depth: float = 1.0,
    dropout: float = 0.2,
) -> layers.ConvNet:
    """Build the net.

    Args:
        input_shape: (C, H, W) of one image.
        classes: the number of classes.
        width: channels of a stage, relative to Lite0's.
        depth: blocks of a stage, relative to Lite0's and rounded up; the first and the last stage keep theirs.
        dropout: before the last layer, in training.

    Raises:
        PlanError: a number that is not above 0, or too large.
    """
    layers.require_above_zero(width=width, depth=depth)
    layers.require_dropout(dropout)
    layers.require_depth(depth=math.ceil(depth * 4))
    stages = [
        (expansion, kernel, layers.rounded_channels(channels * width, MULTIPLE), _scaled(stage, count, depth), stride)
        for stage, (expansion, kernel, channels, count, stride) in enumerate(STAGES)
    ]
    net = layers.ConvNet(
        stem=layers.conv_bn(input_shape[0], STEM, 3, stride=2, act=layers.activation(ACTIVATION)),
        blocks=layers.inverted_stages(STEM, stages, ACTIVATION),  # (N, 320 width, ceil(H / 32), ceil(W / 32))
        features=layers.conv_bn(stages[-1][2], FEATURES, 1, act=layers.activation(ACTIVATION)),
        head=layers.GlobalHead(FEATURES, classes, dropout),
    )
    layers.initialise(net)
    return net


def _scaled(stage: int, count: int, depth: float) -> int:
    """Return the blocks of a stage of a net that is `depth` times as deep as Lite0."""
    return count if stage in (0, len(STAGES) - 1) else math.ceil(round(count * depth, 6))
