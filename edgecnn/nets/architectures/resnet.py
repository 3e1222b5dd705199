"""resnet: the residual net for small images, 6 n + 2 layers deep (He et al., 2016, CVPR, section 4.2).

It has three stages of n residual blocks. The second and the third halve height and width and have, in the paper, twice
the channels of the stage before. depth = 8 and width = 16 are the ResNet-8 of MLPerf Tiny (Banbury et al., 2021,
NeurIPS Datasets and Benchmarks): 77,706 parameters with batch norm folded and 12,501,632 MACs on 32 x 32 x 3. With
growth = 1 the weights go into depth and large feature maps: 20 layers of 24 channels have 95,434 parameters and
32,316,720 MACs on 28 x 28 x 1.
"""

from __future__ import annotations

from torch import nn

from edgecnn.errors import PlanError
from edgecnn.nets import layers

KNOBS = ("width",)
ANY_SIZE = True
SPACE = {"width": (8, 12, 16, 20, 24, 32), "depth": (8, 14, 20), "growth": (1.0, 1.5, 2.0)}


def build(
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    width: int = 16,
    depth: int = 8,
    growth: float = 2.0,
    residual: bool = True,
) -> layers.ConvNet:
    """Build the net.

    Args:
        input_shape: (C, H, W) of one image.
        classes: the number of classes.
        width: channels of the stem and of the first stage.
        depth: layers on the longest path, 6 n + 2: 8, 14, 20, 26, 32 ...
        growth: channels of a stage relative to the one before, at least 1.
        residual: add a block's input to its output; without it, the net is the plain one that the paper compares with.

    Raises:
        PlanError: another depth, or a number below 1.
    """
    layers.require_positive(width=width, depth=depth, growth=growth)
    layers.require_depth(depth=depth)
    if depth < 8 or (depth - 2) % 6:
        below = max(8, depth - (depth - 2) % 6)
        raise PlanError(f"[net] depth = {depth} is not 6 n + 2.", f"the next are {below} and {below + 6}")
    blocks: list[nn.Module] = []
    channels_in = width
    for stage in range(3):
        channels_out = round(width * growth**stage)
        for block in range((depth - 2) // 6):
            stride = 2 if stage and block == 0 else 1
            blocks.append(layers.ResidualBlock(channels_in, channels_out, stride=stride, residual=residual))
            channels_in = channels_out
    stem = layers.conv_bn(input_shape[0], width, 3, act=nn.ReLU())
    net = layers.ConvNet(stem, nn.Sequential(*blocks), layers.GlobalHead(channels_in, classes))
    layers.initialise(net)
    return net
