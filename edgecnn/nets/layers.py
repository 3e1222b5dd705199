"""The layers and blocks that nets are built of. Every convolution is padded to keep H and W, but for its stride."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgecnn.errors import PlanError, nearest

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "relu6": nn.ReLU6, "none": nn.Identity}
"""Activations that int8 kernels fuse into the convolution before them; "none" leaves a net linear."""


def blur_pool(channels: int) -> nn.Sequential:
    """Return the anti-aliased max pool of Zhang, 2019, ICML, arXiv:1904.11486, with its 3x3 binomial filter.

    It is a max pool with stride 1 and then the filter with stride 2, a depthwise convolution that is not trained: one
    int8 operator, which rounds once.
    """
    blur = nn.Conv2d(channels, channels, 3, 2, padding=1, groups=channels, bias=False).requires_grad_(False)
    binomial = torch.tensor([0.25, 0.5, 0.25])
    blur.weight.copy_(torch.outer(binomial, binomial))  # (channels, 1, 3, 3)
    return nn.Sequential(nn.MaxPool2d(2, 1), blur)  # (N, channels, H, W) -> (N, channels, H // 2, W // 2)


POOLS: dict[str, Callable[[int], nn.Module]] = {
    "max": lambda channels: nn.MaxPool2d(2),
    "average": lambda channels: nn.AvgPool2d(2),
    "blur": blur_pool,
}
"""Ways to halve height and width, by the number of channels: (N, C, H, W) -> (N, C, H // 2, W // 2)."""


EPSILON = 1e-3
"""Added to the variance in batch norm. A dead channel is amplified at most 32 times; with the usual 1e-5 it would be
316 times, noise that bfloat16 and int8 carry into the logits."""


DEEPEST = 1_000
"""Most layers or blocks in a row."""


def require_positive(**options: float) -> None:
    """Raise PlanError for the first option below 1."""
    for name, value in options.items():
        if value < 1:
            raise PlanError(f"[net] {name} = {value} should be at least 1.")


def require_depth(**options: int) -> None:
    """Raise PlanError for the first number of layers or blocks above DEEPEST."""
    for name, value in options.items():
        if value > DEEPEST:
            raise PlanError(f"[net] {name} = {value} should be at most {DEEPEST:,}.")


def require_above_zero(**options: float) -> None:
    """Raise PlanError for the first option that is not above 0."""
    for name, value in options.items():
        if not value > 0:
            raise PlanError(f"[net] {name} = {value} should be above 0.")


def require_dropout(dropout: float) -> None:
    """Raise PlanError for a dropout outside [0, 1)."""
    if not 0 <= dropout < 1:
        raise PlanError(f"[net] dropout = {dropout} should lie in [0, 1).")


def rounded_channels(channels: float, multiple: int) -> int:
    """Round a number of channels to a multiple, by less than a tenth downwards (Sandler et al., 2018, their code).

    Returns:
        The multiple, at least 1.
    """
    nearest_multiple = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return nearest_multiple + multiple if nearest_multiple < 0.9 * channels else nearest_multiple


def activation(name: str) -> nn.Module:
    """Return the activation of that name. Raises PlanError, with the known names, if there is none."""
    if name not in ACTIVATIONS:
        raise PlanError(f"[net] activation = {name!r} is unknown.", nearest(name, ACTIVATIONS))
    return ACTIVATIONS[name]()


def conv_bn(
    channels_in: int,
    channels_out: int,
    kernel: int | tuple[int, int],
    *,
    stride: int = 1,
    groups: int = 1,
    act: nn.Module | None = None,
    padding: tuple[int, int] | None = None,
) -> nn.Sequential:
    """Return a convolution with batch norm and, if there is one, an activation: one operator in an exported file.

    Without `padding`, which filters with an even side need, it is that of odd ones: half of a side.
    """
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (sides[0] // 2, sides[1] // 2) if padding is None else padding
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["conv"] = nn.Conv2d(
        channels_in, channels_out, sides, stride, padding=padding, groups=groups, bias=False
    )  # (N, channels_in, H, W) -> (N, channels_out, ceil(H / stride), ceil(W / stride))
    parts["bn"] = nn.BatchNorm2d(channels_out, eps=EPSILON)
    if act is not None:
        parts["act"] = act
    return nn.Sequential(parts)


class SeparableBlock(nn.Module):
    """A depthwise and a pointwise convolution (Howard et al., 2017, MobileNets, arXiv:1704.04861).

    With `residual` the input is added before the last activation, if it has the output's shape.
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, kernel: int, stride: int, act: str, residual: bool
    ) -> None:
        super().__init__()
        self.depthwise = conv_bn(
            channels_in, channels_in, kernel, stride=stride, groups=channels_in, act=activation(act)
        )
        self.pointwise = conv_bn(channels_in, channels_out, 1)
        self.residual = residual and stride == 1 and channels_in == channels_out
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:  # (N, channels_in, H, W)
        y = self.depthwise(x)  # (N, channels_in, H / stride, W / stride)
        y = self.pointwise(y)  # (N, channels_out, H / stride, W / stride)
        if self.residual:
            y = y + x
        out: Tensor = self.act(y)
        return out


class InvertedResidual(nn.Module):
    """A wide depthwise convolution between two 1x1 convolutions (Sandler et al., 2018, CVPR, arXiv:1801.04381).

    The first 1x1 convolution widens by `expansion`, the last has no activation. The input is added if it has the
    output's shape.
    """

    def __init__(
        self, channels_in: int, channels_out: int, expansion: int, *, kernel: int, stride: int, act: str
    ) -> None:
        super().__init__()
        wide = expansion * channels_in
        self.expand = conv_bn(channels_in, wide, 1, act=activation(act)) if expansion > 1 else nn.Identity()
        self.depthwise = conv_bn(wide, wide, kernel, stride=stride, groups=wide, act=activation(act))
        self.project = conv_bn(wide, channels_out, 1)
        self.residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:  # (N, channels_in, H, W)
        y = self.expand(x)  # (N, expansion * channels_in, H, W)
        y = self.depthwise(y)  # (N, expansion * channels_in, H / stride, W / stride)
        out: Tensor = self.project(y)  # (N, channels_out, H / stride, W / stride)
        return out + x if self.residual else out


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, y = relu(F(x) + x) (He et al., 2016, CVPR).

    If the shapes differ, the shortcut is a 1x1 convolution with the block's stride. Without `residual` there is no
    shortcut, as in the plain net of the same paper.
    """

    def __init__(self, channels_in: int, channels_out: int, *, stride: int, residual: bool = True) -> None:
        super().__init__()
        self.first = conv_bn(channels_in, channels_out, 3, stride=stride, act=nn.ReLU())
        self.second = conv_bn(channels_out, channels_out, 3)
        self.shortcut: nn.Module | None = None
        if residual:
            same = stride == 1 and channels_in == channels_out
            self.shortcut = nn.Identity() if same else conv_bn(channels_in, channels_out, 1, stride=stride)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:  # (N, channels_in, H, W)
        y = self.second(self.first(x))  # (N, channels_out, H / stride, W / stride)
        out: Tensor = self.act(y if self.shortcut is None else y + self.shortcut(x))
        return out


def inverted_stages(channels_in: int, stages: Iterable[tuple[int, int, int, int, int]], act: str) -> nn.Sequential:
    """Return stages of inverted residual blocks in a row.

    Args:
        channels_in: of the first block.
        stages: (expansion, kernel, output channels, blocks, stride of the first block) of each.
        act: activation of all blocks.
    """
    blocks: list[nn.Module] = []
    for expansion, kernel, channels_out, count, stride in stages:
        for block in range(count):
            first = stride if block == 0 else 1
            blocks.append(InvertedResidual(channels_in, channels_out, expansion, kernel=kernel, stride=first, act=act))
            channels_in = channels_out
    return nn.Sequential(*blocks)


class ConvNet(nn.Module):
    """Stem, blocks, perhaps one more convolution to the features, and the head."""

    def __init__(self, stem: nn.Module, blocks: nn.Module, head: nn.Module, features: nn.Module | None = None) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = blocks
        self.features = features
        self.head = head

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W)
        x = self.blocks(self.stem(x))  # (N, channels, h, w)
        if self.features is not None:
            x = self.features(x)  # (N, features, h, w)
        logits: Tensor = self.head(x)  # (N, classes)
        return logits


class GlobalHead(nn.Module):
    """Global average pool, dropout in training, and a linear layer to the logits."""

    def __init__(self, channels: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.linear = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W)
        x = torch.flatten(self.pool(x), 1)  # (N, C)
        logits: Tensor = self.linear(self.dropout(x))  # (N, classes)
        return logits


class Attention(nn.Module):
    """Multi-head self-attention over tokens (Vaswani et al., 2017, NeurIPS).

    Each head has dim // heads features. The projections map from and to `dim`, so it need not be divisible by `heads`;
    it must be at least as large.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inner = heads * (dim // heads)
        self.qkv = nn.Linear(dim, 3 * self.inner)
        self.project = nn.Linear(self.inner, dim)

    def forward(self, x: Tensor) -> Tensor:  # (N, T, dim)
        n, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(n, tokens, 3, self.heads, self.inner // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (N, heads, T, inner / heads)
        y = F.scaled_dot_product_attention(q, k, v)  # (N, heads, T, inner / heads)
        out: Tensor = self.project(y.transpose(1, 2).reshape(n, tokens, self.inner))  # (N, T, dim)
        return out


class Normalise(nn.Module):
    """Normalize raw pixels, floats in 0..255, to (x - mean) / std, as part of the graph: a device then feeds bytes."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean = mean
        self.std = std

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        return (x - self.mean) / self.std


def initialise(net: nn.Module) -> None:
    """Draw the weights of convolutions and linear layers from N(0, 2 / fan_in) (He et al., 2015, ICCV); biases are 0.

    The fan_in of a depthwise 3x3 filter is 9, the inputs that an output sums over. Batch norm keeps scale 1 and shift
    0, and a filter that is not trained stays as it is.
    """
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.weight.requires_grad:
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def fold_batch_norms(net: nn.Module) -> nn.Module:
    """Fold every batch norm into the convolution before it, in place, and return the net, which can only infer then."""
    net.eval()
    for chain in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        for (conv_name, conv), (norm_name, norm) in pairwise(list(chain.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                chain.set_submodule(conv_name, fuse_conv_bn_eval(conv, norm))
                chain.set_submodule(norm_name, nn.Identity())
    return net
