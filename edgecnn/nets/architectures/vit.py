"""vit: a small vision transformer (Dosovitskiy et al., 2021, ICLR, arXiv:2010.11929).

It has learned positions, layer norm before attention and MLP, and a head on the mean of all tokens.
"""

from __future__ import annotations

from math import gcd

import torch
from torch import Tensor, nn

from edgecnn.errors import PlanError
from edgecnn.nets import layers

KNOBS = ("dim", "mlp_dim")
ANY_SIZE = False


class Block(nn.Module):
    """A transformer block: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, dim: int, heads: int, mlp_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = layers.Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, mlp_dim), nn.GELU(), nn.Linear(mlp_dim, dim))

    def forward(self, x: Tensor) -> Tensor:  # (N, T, dim)
        x = x + self.attention(self.norm1(x))  # (N, T, dim)
        out: Tensor = x + self.mlp(self.norm2(x))  # (N, T, dim)
        return out


class ViT(nn.Module):
    """Patch embedding, transformer blocks, mean over tokens, linear head."""

    def __init__(
        self, *, channels: int, tokens: int, classes: int, patch: int, dim: int, depth: int, heads: int, mlp_dim: int
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, dim, patch, patch)
        self.positions = nn.Parameter(torch.empty(1, tokens, dim))
        self.blocks = nn.Sequential(*[Block(dim, heads, mlp_dim) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W)
        x = self.patches(x)  # (N, dim, H / patch, W / patch)
        x = x.flatten(2).transpose(1, 2) + self.positions  # (N, T, dim), T = H W / patch^2
        x = self.norm(self.blocks(x)).mean(1)  # (N, dim)
        logits: Tensor = self.head(x)  # (N, classes)
        return logits


def build(
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    patch: int = 4,
    dim: int = 64,
    depth: int = 4,
    heads: int = 4,
    mlp_dim: int = 128,
) -> ViT:
    """Build the net.

    Weights of convolution and linear layers are drawn as in the paper's code, Xavier uniform with zero biases (Glorot
    and Bengio, 2010, AISTATS), positions from N(0, 0.02^2).

    Args:
        input_shape: (C, H, W) of one image.
        classes: the number of classes.
        patch: side of a patch in pixels; it divides H and W.
        dim: features of a token.
        depth: number of blocks.
        heads: attention heads, of dim // heads features each.
        mlp_dim: hidden units of each block's MLP.

    Raises:
        PlanError: the options do not fit each other or the input.
    """
    layers.require_positive(patch=patch, dim=dim, depth=depth, heads=heads, mlp_dim=mlp_dim)
    layers.require_depth(depth=depth)
    channels, height, width = input_shape
    if height % patch or width % patch:
        common = gcd(height, width)
        fitting = ", ".join(str(side) for side in range(1, common + 1) if common % side == 0)
        raise PlanError(f"[net] patch = {patch} does not divide {height} x {width} pixels.", f"these do: {fitting}")
    if dim < heads:
        raise PlanError(f"[net] dim = {dim} is too small for heads = {heads}.", "a head needs at least one feature")
    net = ViT(
        channels=channels,
        tokens=height * width // patch**2,
        classes=classes,
        patch=patch,
        dim=dim,
        depth=depth,
        heads=heads,
        mlp_dim=mlp_dim,
    )
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    nn.init.normal_(net.positions, std=0.02)
    return net
