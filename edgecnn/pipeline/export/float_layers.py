"""List the layers of a net that int8 leaves in float, each by its path and type, with a replacement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch.fx import GraphModule, Node

from edgecnn.common import console

INSTEAD = {
    "nn.ReLU or nn.ReLU6": (
        *("gelu", "silu", "hardswish", "hardsigmoid", "leaky_relu", "_prelu_kernel", "prelu", "elu", "selu"),
        *("sigmoid", "tanh", "softplus", "mish"),
    ),
    "nn.BatchNorm2d right behind a convolution, which folds into it": (
        *("group_norm", "layer_norm", "native_layer_norm", "instance_norm", "batch_norm", "rms_norm"),
    ),
    "nn.Upsample(mode='nearest') with a convolution, or nothing": (
        *("upsample_bilinear2d", "upsample_bicubic2d", "grid_sampler", "conv_transpose2d"),
    ),
    "nn.AdaptiveAvgPool2d(1), nn.AvgPool2d or nn.MaxPool2d": ("adaptive_max_pool2d", "lp_pool2d"),
    "a sum in the place of a product": ("mul",),
}
"""What int8 kernels do -> operators of torch that it can often take the place of."""
ELSE = "convolutions, nn.Linear, nn.BatchNorm2d behind a convolution, nn.ReLU, nn.ReLU6, sums, pools and reshapes"
SILENT = ("getitem", "sym_size", "_guards_fn", "batch_norm", "clone", "contiguous", "_assert")
"""Steps that compute nothing, and batch norms, which are folded by then where they can be."""
MOST = 8
"""Layers that a note names before it counts the rest."""


@dataclass(frozen=True)
class FloatLayer:
    """A layer with an operator that no annotation of the quantizer covers."""

    path: str
    """Its path in the net; empty for a step of the net's own `forward`."""
    type: str
    operator: str

    @property
    def instead(self) -> str | None:
        """The layer to write in its place, if one is known."""
        return next((words for words, operators in INSTEAD.items() if self.operator in operators), None)

    def __str__(self) -> str:
        name = f"{self.path} ({self.type})" if self.path else f"{self.operator} in {self.type}.forward"
        return f"{name}: {self.instead} would be int8" if self.instead else name


def layers(observed: GraphModule) -> tuple[FloatLayer, ...]:
    """Return the layers of an observed graph (`export.scheme.observe`) that stay float, in their order."""
    layers: dict[tuple[str, str], FloatLayer] = {}
    for node in observed.graph.nodes:
        if node.op != "call_function" or "quantization_annotation" in node.meta:
            continue
        operator = getattr(node.target, "__name__", str(node.target)).partition(".")[0].rstrip("_")
        if operator.startswith(SILENT):
            continue
        path, type_name = _module(node)
        layers.setdefault((path, type_name), FloatLayer(path, type_name, operator))
    return tuple(layers.values())


def say(layers: Sequence[FloatLayer]) -> None:
    """Say which layers stay float and what int8 kernels do; nothing where all are int8."""
    if not layers:
        return
    rest = f"; and {len(layers) - MOST} more" if len(layers) > MOST else ""
    unknown = "" if all(layer.instead for layer in layers) else f"; int8 kernels do {ELSE}"
    console.note(f"int8 leaves in float: {'; '.join(map(str, layers[:MOST]))}{rest}{unknown}")


def _module(node: Node) -> tuple[str, str]:
    """Return (path, class) of the innermost module of the net that a node belongs to."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    if not stack:
        return "", "the net"
    path, kind = stack[-1]
    return str(path), (kind if isinstance(kind, str) else kind.__name__).rpartition(".")[2]
