"""dscnn: a depthwise-separable CNN in stages; from stage to stage channels grow, and height and width halve.

A 3x3 convolution from C to D channels has 9 C D weights; a depthwise 3x3 and a pointwise 1x1 convolution together have
9 C + C D (Howard et al., 2017, arXiv:1704.04861). Depthwise convolutions keep stride 1 and a 2x2 pool halves the image,
which trains faster on a CPU than a strided depthwise convolution.

One stage of width 64 and depth 4 without shortcuts, behind a stem of 10 x 4 filters with stride 2, is the net of Zhang
et al. for keyword spotting (2017, arXiv:1711.07128), as MLPerf Tiny has it for 49 x 10 coefficients (Banbury et al.,
2021).
"""

from __future__ import annotations

from torch import nn

from edgecnn.errors import PlanError, nearest
from edgecnn.nets import layers

KNOBS = ("width",)
ANY_SIZE = True
SPACE = {
    "width": (8, 12, 16, 24, 32, 48, 64),
    "stages": (2, 3, 4),
    "depth": (1, 2, 3),
    "growth": (1.0, 1.5, 2.0),
    "squeeze": (1.0, 0.5),
    "kernel": (3, 5),
    "pool": ("max", "average", "stride"),
    "stem_stride": (1, 2),
}


def build(
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    width: int = 32,
    stages: int = 3,
    depth: int = 2,
    growth: float = 2.0,
    squeeze: float = 1.0,
    kernel: int = 3,
    pool: str = "max",
    activation: str = "relu",
    residual: bool = True,
    stem_stride: int = 1,
    stem_height: int = 3,
    stem_width: int = 3,
    dropout: float = 0.0,
) -> layers.ConvNet:
    """Build the net.

    Args:
        input_shape: (C, H, W) of one image.
        classes: the number of classes.
        width: channels of the stem and of the first stage.
        stages: number of stages.
        depth: separable blocks in each stage.
        growth: channels of a stage relative to the one before.
        squeeze: share of its channels that the last stage keeps, which has most of a growing net's weights.
        kernel: side of the depthwise filters, odd.
        pool: how height and width halve between stages: "max", "average", "blur" (an anti-aliased max pool), or
            "stride" (of the depthwise filter).
        activation: "relu", "relu6" or "none".
        residual: add a block's input to its output if they have the same shape.
        stem_stride: stride of the stem.
        stem_height: height of the stem's filters.
        stem_width: width of the stem's filters.
        dropout: before the last layer, in training.

    Raises:
        PlanError: the options do not fit each other or the input.
    """
    layers.require_positive(
        width=width, stages=stages, depth=depth, growth=growth, kernel=kernel, stem_stride=stem_stride,
        stem_height=stem_height, stem_width=stem_width,
    )  # fmt: skip
    layers.require_depth(depth=depth)
    if pool not in layers.POOLS and pool != "stride":
        raise PlanError(f"[net] pool = {pool!r} is unknown.", nearest(pool, [*layers.POOLS, "stride"]))
    if kernel % 2 == 0:
        raise PlanError(f"[net] kernel = {kernel} should be odd: an even filter has no centre pixel.")
    if not 0 < squeeze <= 1:
        raise PlanError(f"[net] squeeze = {squeeze} should lie above 0 and be at most 1.")
    layers.require_dropout(dropout)
    channels, height, picture_width = input_shape
    side = -(-min(height, picture_width) // stem_stride)
    if side >> (stages - 1) == 0:
        raise PlanError(
            f"[net] stages = {stages} would halve {side} pixels to none.", f"at most {side.bit_length()} stages fit"
        )

    if stem_stride == 1 and not (stem_height % 2 and stem_width % 2):
        raise PlanError(
            f"[net] a stem of {stem_height} x {stem_width} should have odd sides: an even filter has no centre pixel.",
            "or a stem_stride of 2",
        )
    if stem_height > 2 * height or stem_width > 2 * picture_width:
        raise PlanError(
            f"[net] filters of {stem_height} x {stem_width} are too large for {height} x {picture_width} pixels."
        )
    padding = _padding(stem_height, stem_stride, height), _padding(stem_width, stem_stride, picture_width)
    stem_size = (stem_height, stem_width)
    act = layers.activation(activation)
    stem = layers.conv_bn(channels, width, stem_size, stride=stem_stride, act=act, padding=padding)
    parts: list[nn.Module] = []
    channels_in = width
    for stage in range(stages):
        channels_out = max(1, round(width * growth**stage * (squeeze if stage == stages - 1 else 1)))
        if stage and pool in layers.POOLS:
            parts.append(layers.POOLS[pool](channels_in))
        for block in range(depth):
            stride = 2 if stage and block == 0 and pool == "stride" else 1
            parts.append(
                layers.SeparableBlock(
                    channels_in, channels_out, kernel=kernel, stride=stride, act=activation, residual=residual
                )
            )
            channels_in = channels_out
    net = layers.ConvNet(stem, nn.Sequential(*parts), layers.GlobalHead(channels_in, classes, dropout))
    layers.initialise(net)
    return net


def _padding(side: int, stride: int, pixels: int) -> int:
    """Return the pixels on either side with which a filter gives ceil(pixels / stride) values."""
    if side % 2:
        return side // 2
    reach = (-(-pixels // stride) - 1) * stride + side  # of all filters together
    return max(0, -(-(reach - pixels) // 2))
