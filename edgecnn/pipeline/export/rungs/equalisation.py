"""equalisation: scale channels up in one layer and down in the next, so that both use their int8 steps evenly.

Cross-layer equalisation (Nagel et al., 2019, ICCV, arXiv:1906.04721, section 4.1). If only functions f with f(s x) = s
f(x) lie between two layers, channel i may be multiplied by s_i > 0 behind the first layer and divided by it in the
second, without changing the net. Let r1_i and r2_i be the largest magnitudes of channel i's weights in the two layers,
batch norm folded; then s_i = sqrt(r2_i / r1_i) makes both sqrt(r1_i r2_i) (equation 11). ReLU6 is no such function, so
its pairs are left alone. It costs nothing on the device.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from edgecnn.errors import PlanError
from edgecnn.nets import graph
from edgecnn.nets.graph import Edge
from edgecnn.pipeline.export.rungs import Options, RungTrial
from edgecnn.pipeline.export.scheme import Scheme

TITLE = "Neighbouring layers share their channels' ranges out between them."

MOST_SWEEPS = 100
NEGLIGIBLE = 1e-3
"""Sweeps over all pairs end when no channel's scale changes by a larger share."""


def tries(scheme: Scheme, outcomes: Sequence[RungTrial]) -> Iterator[Options]:
    """Try it once, if there is a pair to equalise."""
    if pairs(scheme.net, scheme.run.input_shape):
        yield {}


def label(options: Options) -> str:
    return "equalisation"


def apply(scheme: Scheme) -> Scheme:
    net = copy.deepcopy(scheme.net)
    links = pairs(net, scheme.run.input_shape)
    if not links:
        raise PlanError(
            f"{scheme.run.name} has no pair of layers to equalise.",
            "a pair needs ReLU or nothing between its layers, and no branch",
        )
    with torch.no_grad():
        for _ in range(MOST_SWEEPS):
            if max(_equalise(net, pair) for pair in links) < NEGLIGIBLE:
                break
    return dataclasses.replace(scheme, net=net)


def pairs(net: nn.Module, input_shape: tuple[int, ...]) -> list[Edge]:
    """List linked layers with a one-to-one match of output channels to input channels."""
    links = graph.links(graph.export(net, input_shape))
    return [
        link
        for link in links
        if len(_weight(net, link.source)) == _channels_in(net.get_submodule(link.target)) and _scalable(net, link)
    ]


def rescale(net: nn.Module, link: Edge, scale: Tensor) -> None:
    """Multiply the channels between a pair by a positive scale (C,), and divide by it in the second layer."""
    behind = net.get_submodule(link.norm or link.source)
    for parameter in (behind.weight, behind.bias):
        if isinstance(parameter, Tensor):
            parameter *= scale.reshape(-1, *[1] * (parameter.ndim - 1))
    target = _weight(net, link.target)
    along = 0 if _is_depthwise(net, link.target) else 1
    target /= scale.reshape([-1 if axis == along else 1 for axis in range(target.ndim)])


def _equalise(net: nn.Module, link: Edge) -> float:
    """Equalise the channels of one pair; return the largest relative change of a scale."""
    first = _weight(net, link.source).flatten(1).abs().amax(1) * _gain(net, link)  # (C,)
    target = _weight(net, link.target)
    second = (target if _is_depthwise(net, link.target) else target.transpose(0, 1)).flatten(1).abs().amax(1)  # (C,)
    scale = torch.where((first > 0) & (second > 0), (second / first).sqrt(), torch.ones(()))  # skips dead channels
    rescale(net, link, scale)
    return float((scale - 1).abs().max())


def _gain(net: nn.Module, link: Edge) -> Tensor:
    """Return the magnitude (C,) by which a pair's batch norm multiplies each channel; 1 without one."""
    if link.norm is None:
        return torch.ones(())
    norm = net.get_submodule(link.norm)
    assert isinstance(norm.weight, Tensor)
    assert isinstance(norm.running_var, Tensor)
    return norm.weight.abs() / (norm.running_var + link.norm_eps).sqrt()


def _scalable(net: nn.Module, link: Edge) -> bool:
    """Return whether a scale can be applied: batch norm has weights, and the target is not grouped unless depthwise."""
    affine = link.norm is None or isinstance(net.get_submodule(link.norm).weight, Tensor)
    ungrouped = getattr(net.get_submodule(link.target), "groups", 1) == 1
    return affine and (ungrouped or _is_depthwise(net, link.target))


def _is_depthwise(net: nn.Module, layer: str) -> bool:
    """Return whether the layer has one filter per channel, weights (C, 1, k, k)."""
    module = net.get_submodule(layer)
    return isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels == module.out_channels


def _channels_in(layer: nn.Module) -> int:
    if isinstance(layer, nn.Conv2d):
        return layer.in_channels
    assert isinstance(layer, nn.Linear)
    return layer.in_features


def _weight(net: nn.Module, layer: str) -> Tensor:
    weight = net.get_submodule(layer).weight
    assert isinstance(weight, Tensor)
    return weight
