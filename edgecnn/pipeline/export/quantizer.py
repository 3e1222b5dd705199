"""The PT2E quantiser, which marks where int8 goes in a PyTorch graph.

Weights are int8, symmetric, with one scale per channel; activations are int8, affine, with one scale per tensor (Jacob
et al., 2018, CVPR, arXiv:1712.05877). An operator and the activation function after it are one int8 operator, quantised
once. Pools and reshapes keep the scale of their input, as the int8 kernels of both runtimes require. All else stays
float, and so do the layers in `in_float`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.fake_quantize import FakeQuantize
from torchao.quantization.pt2e.observer import (
    FixedQParamsObserver,
    HistogramObserver,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
)
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    QuantizationSpecBase,
    Quantizer,
    SharedQuantizationSpec,
)

from edgecnn.nets.graph import WEIGHTED, layer_of
from edgecnn.pipeline.export import weight_range

EPS = 2**-12
"""The least scale of an observed tensor, so that a dead channel does not divide by zero."""

MOVING = 0.01
"""Weight of a batch in the moving average of a range during training (Jacob et al., 2018, section 3.1)."""

_aten = torch.ops.aten
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
    """Marks what becomes int8; the graph's input has a fixed scale and zero point that are not observed."""

    def __init__(
        self,
        input_scale: float,
        input_zero_point: int,
        *,
        histograms: bool = False,
        per_channel: bool = True,
        safe: bool = True,
        in_float: Collection[str] = (),
        trained: bool = False,
    ) -> None:
        """Configure what is observed.

        Args:
            input_scale: Scale of the graph's input.
            input_zero_point: Zero point of the graph's input.
            histograms: Keep a histogram of each activation, not only its least and largest value.
            per_channel: One scale per output channel of a weight instead of one per tensor.
            safe: Keep weights within the range of `edgecnn.pipeline.export.weight_range`.
            in_float: Layers (`dataflow.layer_of`) that stay float.
            trained: Round tensors to int8 while the net trains, with ranges that follow.
        """
        super().__init__()
        self.in_float = frozenset(in_float)
        self.activation = QuantizationSpec(
            torch.int8, _of_activations(histograms, trained), -128, 127, torch.per_tensor_affine
        )
        scheme = torch.per_channel_symmetric if per_channel else torch.per_tensor_symmetric
        axis = 0 if per_channel else None
        self.weight, self.depthwise = (
            QuantizationSpec(torch.int8, _of_weights(per_channel, trained, narrow), -127, 127, scheme, ch_axis=axis)
            for narrow in (safe, False)
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
            if layer_of(node) in self.in_float:
                continue
            if node.target in WEIGHTED:
                weight = self.depthwise if _is_depthwise(node) else self.weight
                self._mark_fused(node, {node.args[0]: self._spec(node.args[0]), node.args[1]: weight}, marked)
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
        """Accept every graph, as all annotations above are supported."""

    def _spec(self, source: Node) -> QuantizationSpec:
        return self.input if source.op == "placeholder" else self.activation

    def _mark_fused(self, node: Node, inputs: dict[Node, QuantizationSpecBase], marked: set[Node]) -> None:
        """Quantise the inputs of `node`, and its output after the activation function that follows, if any."""
        users = list(node.users)
        if len(users) == 1 and users[0].target in ACTIVATIONS:
            _mark(node, inputs, None)
            _mark(users[0], {}, self.activation)
            marked.add(users[0])
        else:
            _mark(node, inputs, self.activation)


def _of_activations(histograms: bool, trained: bool) -> Any:
    if trained:
        return FakeQuantize.with_args(observer=MovingAverageMinMaxObserver, averaging_constant=MOVING, eps=EPS)
    return (HistogramObserver if histograms else MinMaxObserver).with_args(eps=EPS)


def _of_weights(per_channel: bool, trained: bool, safe: bool) -> Any:
    """Return what observes a weight: its current range, as an average without memory."""
    if safe:
        observer = weight_range.PerChannel if per_channel else weight_range.PerTensor
    else:
        observer = MovingAveragePerChannelMinMaxObserver if per_channel else MovingAverageMinMaxObserver
    settings = {"averaging_constant": 1.0, "eps": EPS}
    return FakeQuantize.with_args(observer=observer, **settings) if trained else observer.with_args(**settings)


def _is_depthwise(node: Node) -> bool:
    """Return whether a convolution has one input channel per filter; its kernels widen products before adding."""
    weight, groups = node.args[1], node.args[6] if len(node.args) > 6 else 1
    assert isinstance(weight, Node)
    filters, channels, *_ = weight.meta["val"].shape  # (K, C / groups, ...)
    return bool(channels == 1 and groups == filters != 1)


def _mark(node: Node, inputs: dict[Node, QuantizationSpecBase], output: QuantizationSpecBase | None) -> None:
    node.meta["quantization_annotation"] = QuantizationAnnotation(
        input_qspec_map=inputs, output_qspec=output, _annotated=True
    )
