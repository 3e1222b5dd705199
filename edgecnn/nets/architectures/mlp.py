"""mlp: the dense baseline, which ignores that pixels have neighbours and has a weight for every pixel and unit."""

from __future__ import annotations

from collections import OrderedDict
from math import prod

from torch import Tensor, nn

from edgecnn.nets import layers

KNOBS = ("hidden", "last")
ANY_SIZE = False
SPACE = {"hidden": (32, 64, 128, 256), "depth": (1, 2, 3), "last": (16, 32, 64)}


class MLP(nn.Module):
    """Flatten, dense layers with activations, linear head."""

    def __init__(self, sizes: tuple[int, ...], classes: int, act: str) -> None:
        super().__init__()
        parts: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
        for i in range(len(sizes) - 1):
            parts[f"dense{i}"] = nn.Linear(sizes[i], sizes[i + 1])
            parts[f"act{i}"] = layers.activation(act)
        self.hidden = nn.Sequential(parts)
        self.head = nn.Linear(sizes[-1], classes)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W)
        x = self.hidden(x)  # (N, last)
        logits: Tensor = self.head(x)  # (N, classes)
        return logits


def build(
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    hidden: int = 128,
    depth: int = 1,
    last: int = 64,
    activation: str = "relu",
) -> MLP:
    """Build the net.

    Args:
        input_shape: (C, H, W) of one image.
        classes: the number of classes.
        hidden: units of the first `depth` layers.
        depth: layers with `hidden` units.
        last: units of the layer after them.
        activation: "relu", "relu6", or "none", which makes the whole net a linear map.

    Raises:
        PlanError: a number is below 1, or the net is too deep.
    """
    layers.require_positive(hidden=hidden, depth=depth, last=last)
    layers.require_depth(depth=depth)
    net = MLP((prod(input_shape), *[hidden] * depth, last), classes, activation)
    layers.initialise(net)
    return net
