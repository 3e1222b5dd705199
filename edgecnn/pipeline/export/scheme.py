"""A Scheme: a float net and everything that decides how its int8 net is made; rungs of the rescue ladder change it."""

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
"""How many calibration pictures the graph sees at a time."""


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """A float net, and the settings by which an int8 net is made from it."""

    run: Run
    splits: Splits
    plan: ExportPlan
    net: nn.Module
    """float32 (N, C, H, W), normalised -> logits (N, K), in eval mode; equivalent to the run's own net."""
    calibration: Calibration
    taken: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The rungs taken so far, with their options; they set the fields below."""
    observer: Observer = "min-max"
    percent: float = 100.0
    """Share of an activation's values that "percentile" keeps inside the range, at either end."""
    in_float: tuple[str, ...] = ()
    """Layers that stay float, by their path in the net."""
    bias_shifts: Mapping[str, Tensor] = field(default_factory=dict)
    """What to subtract from biases (C,) in the int8 net, by layer."""
    trained: GraphModule | None = None
    """The graph with its ranges, if training has set them; nothing is observed then."""


def plain(run: Run, splits: Splits, plan: ExportPlan, net: nn.Module) -> Scheme:
    """Return post-training int8 according to the plan, without any rung.

    Raises:
        DataError: No picture can be used to calibrate.
    """
    drawn = calibration.draw(splits, plan.calib_samples, plan.calib_seed)
    return Scheme(run=run, splits=splits, plan=plan, net=net, calibration=drawn)


def observe(scheme: Scheme) -> GraphModule:
    """Return the net as a graph with the ranges of all tensors that become int8, for any number of pictures per call.

    Raises:
        RunError: The run's mean is not a pixel value.
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
    """Return the graph with batch norms folded and tensors watched: by observers, or by rounding if it is `trained`."""
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
    """Convert uint8 pictures (N, H, W, C) to the float32 (N, C, H, W) that a net sees."""
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return (pixels.float() - run.mean) / run.std


def clip_to_percentile(graph: nn.Module, percent: float) -> None:
    """Replace each histogram by the range that `percent` of its values do not exceed, at either end.

    torchao itself only finds the range of least squared error in a histogram.
    """
    from torchao.quantization.pt2e.observer import HistogramObserver, MinMaxObserver

    clipped: dict[int, nn.Module] = {}  # by identity, as several names may share an observer and so a range
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
