"""resnet: the residual net for small images, 6 n + 2 layers deep (He et al., 2016, CVPR, section 4.2).

It has three stages of n residual blocks. The second and the third halve height and width and have, in the paper, twice
the channels of the stage before. depth = 8 and width = 16 are the ResNet-8 of MLPerf Tiny (Banbury et al., 2021,
NeurIPS Datasets and Benchmarks): 77,706 parameters with batch norm folded and 12,501,632 MACs on 32 x 32 x 3. With
growth = 1 the weights go into depth and large feature maps: 20 layers of 24 channels have 95,434 parameters and
32,316,720 MACs on 28 x 28 x 1.

With s stages it is 2 s n + 2 layers deep. A fourth stage, or a stem of stride 2, moves weights to smaller feature maps,
where each of them costs fewer multiplications.
"""

from __future__ import annotations

from torch import nn

from edgecnn.errors import PlanError
from edgecnn.nets import layers

KNOBS = ("width",)
ANY_SIZE = True
SPACE = {
    "width": (8, 12, 16, 20, 24, 28, 32, 40, 48),
    "stages": (2, 3, 4),
    "depth": (6, 8, 10, 14, 18, 20),
    "growth": (1.0, 1.25, 1.5, 1.75, 2.0, 2.5),
    "stem_stride": (1, 2),
}


def build(
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    width: int = 16,
    depth: int = 8,
    growth: float = 2.0,
    stages: int = 3,
    stem_stride: int = 1,
    residual: bool = True,
) -> layers.ConvNet:
    """Build the net.

    Args:
        input_shape: (C, H, W) of one image.
        classes: the number of classes.
        width: channels of the stem and of the first stage.
        depth: layers on the longest path, 2 n + 2 for each stage: 8, 14, 20, 26, 32 ... for three.
        growth: channels of a stage relative to the one before, at least 1.
        stages: number of stages, each half as high and wide as the one before.
        stem_stride: stride of the stem, 2 halves height and width from the start.
        residual: add a block's input to its output; without it, the net is the plain one that the paper compares with.

    Raises:
        PlanError: another depth, or a number below 1.
    """
    layers.require_positive(width=width, depth=depth, growth=growth, stages=stages, stem_stride=stem_stride)
    layers.require_depth(depth=depth, stages=stages)
    step = 2 * stages
    if depth < step + 2 or (depth - 2) % step:
        below = max(step + 2, depth - (depth - 2) % step)
        raise PlanError(f"[net] depth = {depth} is not {step} n + 2.", f"the next are {below} and {below + step}")
    if stem_stride > 2:
        raise PlanError(f"[net] stem_stride = {stem_stride} should be 1 or 2: filters of 3 x 3 would skip pixels.")
    blocks: list[nn.Module] = []
    channels_in = width
    for stage in range(stages):
        channels_out = round(width * growth**stage)
        for block in range((depth - 2) // step):
            stride = 2 if stage and block == 0 else 1
            blocks.append(layers.ResidualBlock(channels_in, channels_out, stride=stride, residual=residual))
            channels_in = channels_out
    stem = layers.conv_bn(input_shape[0], width, 3, stride=stem_stride, act=nn.ReLU())
    net = layers.ConvNet(stem, nn.Sequential(*blocks), layers.GlobalHead(channels_in, classes))
    layers.initialise(net)
    return net
