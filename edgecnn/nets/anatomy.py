"""The layers of a net, with what each costs and sees: shape, parameters, MACs, receptive field, stride.

1 MAC is a multiplication and an addition, 2 FLOPs. Convolutions, linear layers and the two matrix products of attention
are counted; biases, additions, activations, softmax, pooling, layer norm and the normalization of pixels are not. A
batch norm after a convolution is folded into it, as in every exported file: it costs no MACs and leaves one bias per
channel.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

PRODUCTS: frozenset[Any] = frozenset({torch.matmul, torch.bmm, operator.matmul, "matmul", "bmm"})
MEANS: frozenset[Any] = frozenset({torch.mean, "mean"})
SUMS: frozenset[Any] = frozenset({torch.add, operator.add, operator.iadd, "add"})


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer of a net."""

    name: str
    """Path of its module in the net."""
    kind: str
    output_shape: tuple[int, ...]
    """Without the batch dimension: (C, H, W), (tokens, features) or (features,)."""
    parameters: int
    macs: int
    macs_percent: float
    """Share of the net's MACs."""
    receptive_field: int | None
    """Side in pixels of the part of the image that an output value can depend on; None if it is the whole image."""
    stride: int | None
    """Distance in pixels of the receptive fields of neighbouring outputs; None if outputs have no place."""


class Size(NamedTuple):
    """The cost of a net."""

    params: int
    """Parameters once every batch norm that follows a convolution is folded into it."""
    macs: int
    """For one image."""


class ReceptiveField(NamedTuple):
    """Receptive field and cumulative stride in pixels.

    They follow the recurrence of Araujo, Norris and Sim, 2019, Distill, "Computing Receptive Fields of Convolutional
    Neural Networks": r' = r + (k - 1) s, s' = s stride.
    """

    size: int | None
    stride: int | None

    def behind_layer(self, kernel: int, stride: int) -> ReceptiveField:
        """Return the field after a layer with that kernel and stride."""
        if self.size is None or self.stride is None:
            return self
        return ReceptiveField(self.size + (kernel - 1) * self.stride, self.stride * stride)


PIXEL = ReceptiveField(1, 1)
EVERYWHERE = ReceptiveField(None, None)


def layers(net: nn.Module, input_shape: tuple[int, ...]) -> list[Layer]:
    """Return the net's layers in the order they run, for one image of input_shape = (C, H, W).

    Where branches meet, the receptive field is that of the largest.
    """
    return _layers(_trace(net), input_shape)


def size(net: nn.Module, input_shape: tuple[int, ...]) -> Size:
    """Return the cost of a net for one image of input_shape = (C, H, W)."""
    graph = _trace(net)
    return Size(params=_folded_parameters(net, graph), macs=sum(layer.macs for layer in _layers(graph, input_shape)))


def folded_parameters(net: nn.Module) -> int:
    """Return the number of parameters once every batch norm that follows a convolution is folded into it."""
    return _folded_parameters(net, _trace(net))


def macs(net: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Return the MACs for one image of input_shape = (C, H, W)."""
    return sum(layer.macs for layer in layers(net, input_shape))


def dense_first_layer(input_shape: tuple[int, ...], units: int = 1000) -> int:
    """Return the weights of a dense layer on every pixel of input_shape = (C, H, W): 150,528,000 for 3 x 224 x 224.

    A 3x3 convolution has 9 C a filter, whatever H and W.
    """
    return prod(input_shape) * units


def _layers(graph: fx.GraphModule, input_shape: tuple[int, ...]) -> list[Layer]:
    """Return the layers of a traced net."""
    ShapeProp(graph).propagate(torch.empty(1, *input_shape, device="meta"))
    modules = dict(graph.named_modules())
    fields: dict[fx.Node, ReceptiveField] = {}
    in_order: list[Layer] = []
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            fields[node] = PIXEL
            continue
        if node.op == "get_attr":  # weights outside a layer, such as learned positions
            if isinstance(weights := operator.attrgetter(node.target)(graph), nn.Parameter):
                in_order.append(_layer(node, "parameter", EVERYWHERE, weights.numel()))
            continue
        before = _joined([fields[source] for source in node.all_input_nodes if source in fields])
        if node.op == "call_module":
            fields[node], layer = _module(node, modules, before)
        else:
            fields[node], layer = _function(node, before, branches=sum(s in fields for s in node.all_input_nodes))
        if layer is not None:
            in_order.append(layer)
    total = max(1, sum(layer.macs for layer in in_order))
    return [replace(layer, macs_percent=100 * layer.macs / total) for layer in in_order]


def _folded_parameters(net: nn.Module, graph: fx.GraphModule) -> int:
    modules = dict(graph.named_modules())
    count = sum(parameter.numel() for parameter in net.parameters())
    for node in graph.graph.nodes:
        if (conv := _folds_into(node, modules)) is not None:
            count -= sum(parameter.numel() for parameter in modules[node.target].parameters())
            count += conv.out_channels if conv.bias is None else 0
    return count


def _trace(net: nn.Module) -> fx.GraphModule:
    """Trace a copy of the net on the device "meta" into a graph; the net itself stays as it is."""
    return fx.symbolic_trace(copy.deepcopy(net).to("meta").eval())


def _joined(fields: list[ReceptiveField]) -> ReceptiveField:
    """Return the field of an operator whose inputs have these fields."""
    sizes = [field.size for field in fields if field.size is not None]
    strides = [field.stride for field in fields if field.stride is not None]
    if len(sizes) < len(fields):
        return EVERYWHERE
    return ReceptiveField(max(sizes, default=None), max(strides, default=None))


def _folds_into(node: fx.Node, modules: dict[str, nn.Module]) -> nn.Conv2d | None:
    """Return the convolution that a batch norm can be folded into: its only input, if nothing else uses that."""
    if node.op != "call_module" or not isinstance(modules[str(node.target)], nn.BatchNorm2d):
        return None
    source = node.all_input_nodes[0]
    if source.op != "call_module" or len(source.users) > 1:
        return None
    module = modules[str(source.target)]
    return module if isinstance(module, nn.Conv2d) else None


def _module(
    node: fx.Node, modules: dict[str, nn.Module], before: ReceptiveField
) -> tuple[ReceptiveField, Layer | None]:
    """Return the field after a module, and its layer if it is listed."""
    module = modules[str(node.target)]
    parameters = sum(parameter.numel() for parameter in module.parameters())
    if isinstance(module, nn.Conv2d):
        after = before.behind_layer(*(max(size) for size in (module.kernel_size, module.stride)))
        if module.bias is None and any(_folds_into(user, modules) is not None for user in node.users):
            parameters += module.out_channels
        word = "depthwise" if module.groups == module.in_channels > 1 else "conv"
        kind = f"{word} {'x'.join(str(size) for size in module.kernel_size)}"
        return after, _layer(node, kind, after, parameters, prod(_shape(node)) * module.weight[0].numel())
    if isinstance(module, nn.Linear):
        # On (N, features) an output depends on everything that was flattened, on (N, T, features) on its own token.
        after = EVERYWHERE if len(_shape(node)) == 1 else before
        return after, _layer(node, "linear", after, parameters, prod(_shape(node)) * module.in_features)
    if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
        sizes = (module.kernel_size, module.stride)
        after = before.behind_layer(*(size if isinstance(size, int) else max(size) for size in sizes))
        return after, _layer(node, "max pool" if isinstance(module, nn.MaxPool2d) else "average pool", after)
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return EVERYWHERE, _layer(node, "global average pool", EVERYWHERE)
    if parameters and _folds_into(node, modules) is None:
        return before, _layer(node, type(module).__name__, before, parameters)
    return before, None


def _function(node: fx.Node, before: ReceptiveField, branches: int) -> tuple[ReceptiveField, Layer | None]:
    """Return the field after a function or method, and its layer if it is listed."""
    # Not all_input_nodes, which names a tensor once that is both query and key.
    sources = [source for source in (*node.args, *node.kwargs.values()) if isinstance(source, fx.Node)]
    if node.target is F.scaled_dot_product_attention:
        # q k^T, and the product of its softmax with v: each over as many tokens as there are keys.
        tokens = _shape(sources[1])[-2]
        count = tokens * (prod(_shape(sources[0])) + prod(_shape(node)))
        return EVERYWHERE, _layer(node, "attention", EVERYWHERE, 0, count)
    if node.target in PRODUCTS:
        count = prod(_shape(node)) * _shape(sources[0])[-1]
        return EVERYWHERE, _layer(node, "matmul", EVERYWHERE, 0, count)
    if node.target in MEANS:
        return EVERYWHERE, _layer(node, "mean", EVERYWHERE)
    if node.target in SUMS and branches > 1 and "tensor_meta" in node.meta:
        return before, _layer(node, "add", before)
    return before, None


def _shape(node: fx.Node) -> tuple[int, ...]:
    """Return the shape of a node's output without the batch dimension."""
    return tuple(node.meta["tensor_meta"].shape[1:])


def _layer(node: fx.Node, kind: str, field: ReceptiveField, parameters: int = 0, macs: int = 0) -> Layer:
    if node.op in ("call_module", "get_attr"):
        name = str(node.target)
    else:
        word = node.target if isinstance(node.target, str) else _word(node.target)
        name = ".".join([*list(node.meta.get("nn_module_stack", {}))[-1:], word])
    return Layer(
        name=name,
        kind=kind,
        output_shape=_shape(node),
        parameters=parameters,
        macs=macs,
        macs_percent=0.0,
        receptive_field=field.size,
        stride=field.stride,
    )


def _word(function: Callable[..., Any]) -> str:
    return "attend" if function is F.scaled_dot_product_attention else function.__name__
