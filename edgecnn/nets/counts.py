"""Parameters and MACs of any net: by its anatomy, or by its exported graph where the anatomy cannot follow it."""

from __future__ import annotations

import copy
from math import prod

from torch import Tensor, nn
from torch.fx import Node

from edgecnn.nets import anatomy, graph
from edgecnn.nets.anatomy import Size


def size(net: nn.Module, input_shape: tuple[int, ...]) -> Size:
    """Return the cost of a net for one image of input_shape = (C, H, W).

    It counts what `edgecnn.nets.anatomy` counts, but for products of two activations, which a graph that anatomy
    cannot follow keeps to itself.
    """
    try:
        return anatomy.size(net, input_shape)
    except Exception:  # torch.fx meets a `forward` that looks at its input, in many ways
        return _graph_size(net, input_shape)


def _graph_size(net: nn.Module, input_shape: tuple[int, ...]) -> Size:
    exported = graph.export(copy.deepcopy(net).eval(), input_shape)
    parameters, macs = sum(parameter.numel() for parameter in net.parameters()), 0
    for node in graph.layers(exported).values():
        weight, output = _value(node.args[1]), _value(node)
        macs += prod(output.shape[1:]) * prod(weight.shape[1:])
        norms = [user for user in node.users if user.target in graph.NORMS]
        if len(node.users) == len(norms) == 1:  # it folds into the layer, and leaves it a bias
            parameters -= sum(_value(part).numel() for part in norms[0].args[1:3] if isinstance(part, Node))
            has_bias = len(node.args) > 2 and node.args[2] is not None
            parameters += 0 if has_bias else weight.shape[0]
    return Size(parameters, macs)


def _value(node: object) -> Tensor:
    assert isinstance(node, Node)
    value = node.meta["val"]
    assert isinstance(value, Tensor)
    return value
