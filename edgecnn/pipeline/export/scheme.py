"""A Scheme: a float net, and all that decides the int8 net made of it. The rungs of the rescue ladder change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from edgecnn.common.silence import quietly
from edgecnn.data import Splits
from edgecnn.errors import RunError
from edgecnn.nets import graph as dataflow
from edgecnn.pipeline.export import calibration
from edgecnn.pipeline.export.calibration import Calibration
from edgecnn.records.plans import ExportPlan
from edgecnn.records.run import Run

Observer = Literal["min-max", "percentile", "mse"]

BATCH = 64
"""Calibration pictures shown to the graph at a time."""


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """What int8 is made of, and how."""

    run: Run
    splits: Splits
    plan: ExportPlan
    net: nn.Module
    """float32 (N, C, H, W), normalised -> logits (N, K), in eval mode; as good as the run's own."""
    calibration: Calibration
    taken: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The rungs taken so far, with their options; what follows is their doing."""
    observer: Observer = "min-max"
    percent: float = 100.0
    """Share of an activation's values that "percentile" keeps inside the range, at either end."""
    in_float: tuple[str, ...] = ()
    """Layers that stay float, by their path in the net."""
    bias_shifts: Mapping[str, Tensor] = field(default_factory=dict)
    """Layer -> what its bias (C,) is to lose in the int8 net."""
    trained: GraphModule | None = None
    """The graph with its ranges, if training has set them; nothing is observed then."""


def plain(run: Run, splits: Splits, plan: ExportPlan, net: nn.Module) -> Scheme:
    """Post-training int8 as the plan has it, no rung taken. Raises DataError if no picture can calibrate."""
    drawn = calibration.draw(splits, plan.calib_samples, plan.calib_seed)
    return Scheme(run=run, splits=splits, plan=plan, net=net, calibration=drawn)


def observe(scheme: Scheme) -> GraphModule:
    """The net as a graph with the range of every tensor that becomes int8; any number of pictures a call.

    Raises RunError if the run's mean is no pixel value.
    """
    if scheme.trained is not None:
        return scheme.trained
    graph = prepared(scheme, trained=False)
    with torch.no_grad():
        for start in range(0, len(scheme.calibration.images), BATCH):
            graph(normalised(scheme.calibration.images[start : start + BATCH], scheme.run))
        if scheme.observer == "percentile":
            clip_to_percentile(graph, scheme.percent)
        for name, node in dataflow.layers(graph).items():
            bias = dataflow.bias_of(graph, node)
            if bias is not None and name in scheme.bias_shifts:
                bias -= scheme.bias_shifts[name]
    return graph


def prepared(scheme: Scheme, *, trained: bool) -> GraphModule:
    """The graph, batch norms folded, with what watches its tensors: observers, or rounding to train under."""
    run = scheme.run
    zero_point = int(run.mean) - 128
    if zero_point != run.mean - 128 or not -128 <= zero_point <= 127:
        raise RunError(f"The mean {run.mean} of {run.name} is not a pixel value: int8 input cannot hold it exactly.")
    graph = dataflow.export(scheme.net, run.input_shape)
    with quietly():
        from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

        from edgecnn.pipeline.export.quantizer import EdgeQuantizer

        quantizer = EdgeQuantizer(
            1 / run.std,
            zero_point,
            histograms=scheme.observer != "min-max",
            per_channel=scheme.plan.per_channel,
            safe=scheme.plan.weight_range == "safe",
            in_float=scheme.in_float,
            trained=trained,
        )
        watched: GraphModule = prepare_pt2e(graph, quantizer)
    return watched


def normalised(images: npt.NDArray[np.uint8], run: Run) -> Tensor:
    """uint8 (N, H, W, C) -> the float32 (N, C, H, W) a net sees."""
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return (pixels.float() - run.mean) / run.std


def clip_to_percentile(graph: nn.Module, percent: float) -> None:
    """Put in the place of each histogram the range that `percent` of its values do not pass, at either end.

    torchao looks for the least squared error in a histogram itself, and has no percentile.
    """
    from torchao.quantization.pt2e.observer import HistogramObserver, MinMaxObserver

    clipped: dict[int, nn.Module] = {}  # several names may share one observer, and then one range
    for name, module in list(graph.named_modules(remove_duplicate=False)):
        if not isinstance(module, HistogramObserver):
            continue
        if id(module) not in clipped:
            edges = torch.linspace(float(module.min_val), float(module.max_val), module.bins + 1)
            count = torch.cat([torch.zeros(1), module.histogram]).double().cumsum(0)
            below = count / count[-1]  # the share of values at or below each edge
            range_ = MinMaxObserver(
                dtype=module.dtype,
                qscheme=module.qscheme,
                quant_min=module.quant_min,
                quant_max=module.quant_max,
                eps=float(module.eps),
            )
            outside = 1 - percent / 100
            range_.min_val.copy_(edges[below <= outside][-1])
            range_.max_val.copy_(edges[below >= 1 - outside][0])
            clipped[id(module)] = range_
        parent, _, leaf = name.rpartition(".")
        setattr(graph.get_submodule(parent), leaf, clipped[id(module)])
