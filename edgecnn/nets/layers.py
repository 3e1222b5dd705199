"""The blocks nets are built of. Pictures are (N, C, H, W); every convolution keeps H and W but for its stride."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgecnn.errors import PlanError, nearest

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "relu6": nn.ReLU6, "none": nn.Identity}
"""Those an int8 kernel fuses into the convolution before it; "none" leaves a net linear."""


def blur_pool(channels: int) -> nn.Sequential:
    """Max pool at stride 1, then every second value of what a binomial filter leaves, so that less is aliased.

    The anti-aliased max pool of Zhang, 2019, ICML, arXiv:1904.11486, with its 3x3 filter. The filter is a depthwise
    convolution that does not learn: one int8 operator, rounded once.
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
"""How a picture of so many channels is halved: (N, channels, H, W) -> (N, channels, H // 2, W // 2)."""


EPSILON = 1e-3
"""Added to a batch norm's variance. A channel that has died is amplified 32 times at the most, where the usual 1e-5
allows 316: noise that bfloat16 and int8 would carry into the logits."""


DEEPEST = 1_000
"""Layers or blocks in a row."""


def require_positive(**numbers: float) -> None:
    """Raise a PlanError that names the first number below 1."""
    for name, number in numbers.items():
        if number < 1:
            raise PlanError(f"[net] {name} = {number} should be at least 1.")


def require_depth(**numbers: int) -> None:
    """Raise a PlanError that names the first number of layers or blocks above DEEPEST."""
    for name, number in numbers.items():
        if number > DEEPEST:
            raise PlanError(f"[net] {name} = {number} should be at most {DEEPEST:,}.")


def activation(name: str) -> nn.Module:
    """The activation of that name; a PlanError lists the known ones."""
    if name not in ACTIVATIONS:
        raise PlanError(f"[net] activation = {name!r} is unknown.", nearest(name, ACTIVATIONS))
    return ACTIVATIONS[name]()


def conv_bn(
    channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, groups: int = 1, act: nn.Module | None = None
) -> nn.Sequential:
    """Convolution, batch norm, and the activation if one is given: one operator once exported."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["conv"] = nn.Conv2d(
        channels_in, channels_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )  # (N, channels_in, H, W) -> (N, channels_out, ceil(H / stride), ceil(W / stride))
    parts["bn"] = nn.BatchNorm2d(channels_out, eps=EPSILON)
    if act is not None:
        parts["act"] = act
    return nn.Sequential(parts)


class SeparableBlock(nn.Module):
    """Depthwise then pointwise convolution (Howard et al., 2017, MobileNets, arXiv:1704.04861).

    With `residual` the input is added before the last activation, where the shapes agree.
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


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, y = relu(F(x) + x) (He et al., 2016, CVPR).

    Where the shapes differ the shortcut is a 1x1 convolution with the block's stride. Without `residual` there is no
    shortcut: the plain net of the same paper.
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


class GlobalHead(nn.Module):
    """Mean over height and width, dropout while training, then one linear layer to the logits."""

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

    A head is dim // heads wide; the projections in and out make up for a remainder, so any
    dim of at least `heads` will do.
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
    """Raw pixels 0..255 as float -> (x - mean) / std, inside the graph, so that a device feeds bytes."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean = mean
        self.std = std

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        return (x - self.mean) / self.std


def initialise(net: nn.Module) -> None:
    """Weights of convolutions and linear layers from N(0, 2 / fan_in) (He et al., 2015, ICCV), biases 0.

    fan_in of a depthwise 3x3 filter is 9: the inputs one output sums over. Batch norm keeps scale 1 and shift 0; a
    filter that does not learn stays as it is.
    """
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.weight.requires_grad:
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def fold_batch_norms(net: nn.Module) -> nn.Module:
    """The net, changed in place: every batch norm that follows a convolution is folded into it. It learns no more."""
    net.eval()
    for chain in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        for (first, conv), (second, norm) in pairwise(list(chain.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                chain.set_submodule(first, fuse_conv_bn_eval(conv, norm))
                chain.set_submodule(second, nn.Identity())
    return net
