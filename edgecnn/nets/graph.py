"""A net as a graph of torch.export: its weighted layers, by their names in the net, and how they are connected."""

from __future__ import annotations

import copy
import operator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from edgecnn.common.silence import quietly

MOST_AT_ONCE = 4096
"""Largest batch that a graph takes."""

_aten = torch.ops.aten
WEIGHTED = {_aten.conv2d.default, _aten.convolution.default, _aten.linear.default}
NORMS = {_aten.batch_norm.default}
SCALE_EQUIVARIANT = {
    _aten.relu.default,
    _aten.relu_.default,
    _aten.max_pool2d.default,
    _aten.avg_pool2d.default,
    _aten.adaptive_avg_pool2d.default,
    _aten.mean.dim,
    _aten.flatten.using_ints,
    _aten.dropout.default,
}
"""f(s x) = s f(x) for any s > 0, channel by channel. ReLU6 and clamp are not: they cut at a fixed height."""


@dataclass(frozen=True)
class Edge:
    """Two layers with only scale-equivariant operators between them, of which the first feeds only the second."""

    source: str
    target: str
    norm: str | None
    """The batch norm after `source`, if there is one."""
    norm_eps: float


def export(net: nn.Module, input_shape: tuple[int, ...]) -> GraphModule:
    """Export a net in eval mode as a graph of its own, for float32 (N, C, H, W) with any N up to MOST_AT_ONCE."""
    batch = torch.export.Dim("batch", min=1, max=MOST_AT_ONCE)
    with quietly():
        # A graph shares its weights with the net it is made from, and some are changed later: hence the copy.
        program = torch.export.export(copy.deepcopy(net), (torch.zeros(2, *input_shape),), dynamic_shapes=({0: batch},))
        graph = program.module()
    assert isinstance(graph, GraphModule)
    return graph


def layer_of(node: Node) -> str | None:
    """Return the path of a node's layer, such as "blocks.0.pointwise.conv"; None if the node has no weight."""
    if node.op != "call_function" or node.target not in WEIGHTED:
        return None
    weight = node.args[1]
    while isinstance(weight, Node) and weight.op != "get_attr":  # behind an observer or a dequantize
        weight = weight.args[0]
    if not isinstance(weight, Node):
        return None
    return str(weight.target).removesuffix("_transposed").removesuffix(".weight")


def layers(graph: GraphModule) -> dict[str, Node]:
    """Return the nodes of all layers with weights by the layers' names, in the order they run."""
    named = ((layer_of(node), node) for node in graph.graph.nodes)
    return {name: node for name, node in named if name is not None}


def bias_of(graph: GraphModule, node: Node) -> Tensor | None:
    """Return the bias (C,) of a layer's node, or None; changing it changes the graph."""
    bias = node.args[2] if len(node.args) > 2 else node.kwargs.get("bias")
    if not isinstance(bias, Node) or bias.op != "get_attr":
        return None
    tensor = operator.attrgetter(str(bias.target))(graph)
    assert isinstance(tensor, Tensor)
    return tensor


def links(graph: GraphModule) -> list[Edge]:
    """Return all pairs of layers whose channels can be scaled up in one and down in the other, in running order."""
    pairs = []
    for name, node in layers(graph).items():
        norm, norm_eps = None, 0.0
        step = _only_user(node)
        if step is not None and step.target in NORMS:
            norm, norm_eps = str(step.args[1].target).removesuffix(".weight"), float(step.args[7])  # type: ignore[union-attr, arg-type]
            step = _only_user(step)
        while step is not None and step.target in SCALE_EQUIVARIANT:
            step = _only_user(step)
        target = layer_of(step) if step is not None else None
        if target is not None:
            pairs.append(Edge(name, target, norm, norm_eps))
    return pairs


def _only_user(node: Node) -> Node | None:
    users = list(node.users)
    return users[0] if len(users) == 1 else None
