"""Where int8 goes: the quantiser that marks a PyTorch graph for PT2E.

Weights int8, symmetric, one scale a channel; activations int8, affine, one scale a tensor (Jacob et al., 2018, CVPR,
arXiv:1712.05877). An operator and the activation after it are one int8 operator and quantised once; pools and
reshapes keep the scale of their input, as the int8 kernels of both runtimes want it. The rest stays float.
"""

from __future__ import annotations

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.observer import (
    FixedQParamsObserver,
    MinMaxObserver,
    PerChannelMinMaxObserver,
)
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    QuantizationSpecBase,
    Quantizer,
    SharedQuantizationSpec,
)

EPS = 2**-12
"""Least scale of an observed tensor: a dead channel does not divide by zero."""

_aten = torch.ops.aten
WEIGHTED = {_aten.conv2d.default, _aten.convolution.default, _aten.linear.default}
ACTIVATIONS = {
    _aten.relu.default,
    _aten.relu_.default,
    _aten.relu6.default,
    _aten.hardtanh.default,
    _aten.hardtanh_.default,
    _aten.clamp.default,
}
SUMS = {_aten.add.Tensor, _aten.add_.Tensor}
SAME_SCALE = {
    _aten.adaptive_avg_pool2d.default,
    _aten.avg_pool2d.default,
    _aten.max_pool2d.default,
    _aten.mean.dim,
    _aten.flatten.using_ints,
    _aten.reshape.default,
    _aten.view.default,
    _aten.permute.default,
    _aten.dropout.default,
}


class EdgeQuantizer(Quantizer):  # type: ignore[misc]  # the interface that prepare_pt2e asks for
    """Marks what becomes int8; the graph's input takes a scale and zero point that are given, not observed."""

    def __init__(self, input_scale: float, input_zero_point: int) -> None:
        super().__init__()
        self.activation = QuantizationSpec(
            torch.int8, MinMaxObserver.with_args(eps=EPS), -128, 127, torch.per_tensor_affine
        )
        self.weight = QuantizationSpec(
            torch.int8, PerChannelMinMaxObserver.with_args(eps=EPS), -127, 127, torch.per_channel_symmetric, ch_axis=0
        )
        fixed = FixedQParamsObserver.with_args(
            scale=input_scale,
            zero_point=input_zero_point,
            dtype=torch.int8,
            quant_min=-128,
            quant_max=127,
            qscheme=torch.per_tensor_affine,
        )
        self.input = QuantizationSpec(torch.int8, fixed, -128, 127, torch.per_tensor_affine)

    def annotate(self, model: GraphModule) -> GraphModule:
        marked: set[Node] = set()
        for node in model.graph.nodes:
            if node.op == "placeholder":
                _mark(node, {}, self.input)
            if node.op != "call_function" or node in marked:
                continue
            if node.target in WEIGHTED:
                self._mark_fused(node, {node.args[0]: self._spec(node.args[0]), node.args[1]: self.weight}, marked)
            elif node.target in SUMS and all(isinstance(term, Node) for term in node.args[:2]):
                self._mark_fused(node, {term: self._spec(term) for term in node.args[:2]}, marked)
            elif node.target in SAME_SCALE:
                source = node.args[0]
                _mark(node, {source: self._spec(source)}, SharedQuantizationSpec((source, node)))
        (output,) = model.graph.find_nodes(op="output")
        logits = output.args[0][0]
        if "quantization_annotation" not in logits.meta:
            _mark(logits, {}, self.activation)
        return model

    def validate(self, model: GraphModule) -> None:
        """Every annotation above is supported by construction."""

    def _spec(self, source: Node) -> QuantizationSpec:
        return self.input if source.op == "placeholder" else self.activation

    def _mark_fused(self, node: Node, inputs: dict[Node, QuantizationSpecBase], marked: set[Node]) -> None:
        """Quantise `node`'s inputs, and its output behind the activation that follows, if one does."""
        users = list(node.users)
        if len(users) == 1 and users[0].target in ACTIVATIONS:
            _mark(node, inputs, None)
            _mark(users[0], {}, self.activation)
            marked.add(users[0])
        else:
            _mark(node, inputs, self.activation)


def _mark(node: Node, inputs: dict[Node, QuantizationSpecBase], output: QuantizationSpecBase | None) -> None:
    node.meta["quantization_annotation"] = QuantizationAnnotation(
        input_qspec_map=inputs, output_qspec=output, _annotated=True
    )
