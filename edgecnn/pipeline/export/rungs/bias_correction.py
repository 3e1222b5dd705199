"""bias-correction: subtract from each layer's bias the shift of its mean output that rounding causes.

Rounded weights and inputs shift the mean of each output channel, and the shifts add up from layer to layer (Nagel et
al., 2019, ICCV, arXiv:1906.04721, section 4.2). The shift is measured, not derived: the float net and the int8 net see
the calibration pictures, and each layer is corrected after those before it (the paper's appendix D). It costs nothing
on the device.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from edgecnn.common.silence import quietly
from edgecnn.nets import graph as dataflow
from edgecnn.pipeline.export.rungs import Options, RungTrial
from edgecnn.pipeline.export.scheme import Scheme, normalised, observe

TITLE = "The mean error of each layer's output is taken off its bias."


def tries(scheme: Scheme, outcomes: Sequence[RungTrial]) -> Iterator[Options]:
    yield {}


def label(options: Options) -> str:
    return "bias correction"


def apply(scheme: Scheme) -> Scheme:
    graph = observe(dataclasses.replace(scheme, bias_shifts={}))
    with quietly():
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

        int8: GraphModule = convert_pt2e(copy.deepcopy(graph), fold_quantize=False)
    pictures = normalised(scheme.calibration.images, scheme.run)  # all at once, so that means are exact
    with torch.no_grad():
        float_net = _Means(graph, {})
        float_net.run(pictures)
        int8_net = _Means(int8, float_net.means)
        int8_net.run(pictures)
    shifts = {name: int8_net.means[name] - mean for name, mean in float_net.means.items()}
    return dataclasses.replace(scheme, bias_shifts=shifts)


class _Means(Interpreter):
    """Runs a graph and records the mean (C,) of each output channel of every layer that has a bias.

    The output of a layer in `wanted` is shifted to that mean, so that the next layer sees it corrected.
    """

    def __init__(self, graph: GraphModule, wanted: Mapping[str, Tensor]) -> None:
        super().__init__(graph)
        self.means: dict[str, Tensor] = {}
        self._wanted = wanted
        layers = dataflow.layers(graph)
        self._names = {node: name for name, node in layers.items() if dataflow.bias_of(graph, node) is not None}

    def run_node(self, n: Node) -> Any:
        output = super().run_node(n)
        if n not in self._names:
            return output
        name = self._names[n]
        axis = 1 if output.ndim == 4 else output.ndim - 1  # channels: (N, C, H, W) or (N, ..., C)
        mean = output.mean([i for i in range(output.ndim) if i != axis])
        self.means[name] = mean
        if name not in self._wanted:
            return output
        shape = [-1 if i == axis else 1 for i in range(output.ndim)]
        return output - (mean - self._wanted[name]).reshape(shape)
