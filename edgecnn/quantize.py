"""From a Run to what the formats write: the float net, and the same net with int8 ranges observed.

One observed graph gives every int8 file, so all of them hold the same scales and zero points. The net
sees (pixel - mean) / std. The int8 graph's input has scale 1 / std and zero point mean - 128, fixed: its int8
value is pixel - 128 exactly, and normalisation costs neither an operator nor a rounding.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from edgecnn import calibration, files, nets, pictures
from edgecnn.artifact import Preprocessing
from edgecnn.calibration import Calibration
from edgecnn.data import Splits
from edgecnn.errors import RunError
from edgecnn.layers import Normalise
from edgecnn.plans import ExportPlan
from edgecnn.quiet import quietly
from edgecnn.run import Run


@dataclass(frozen=True)
class Exportable:
    """A trained net, ready for the formats to write."""

    run: Run
    run_sha256: str
    """Of the run's weights."""
    net: nn.Module
    """float32 (N, C, H, W), normalised -> logits (N, K), in eval mode."""
    observed: GraphModule | None
    """The net for one normalised picture, ranges of all activations observed; None if no int8 is planned."""
    calibration: Calibration | None

    @property
    def preprocessing(self) -> Preprocessing:
        channels, height, width = self.run.input_shape
        return Preprocessing(
            height=height,
            width=width,
            channels=channels,
            colour_order="grey" if channels == 1 else "RGB",
            resize=pictures.RESIZE_RULE,
        )

    def example(self) -> Tensor:
        """One black picture, (1, C, H, W)."""
        return torch.zeros(1, *self.run.input_shape)

    def float_module(self) -> nn.Module:
        """Raw pixels 0..255 as float (N, C, H, W) -> logits (N, K)."""
        return nn.Sequential(Normalise(self.run.mean, self.run.std), self.net).eval()

    def int8_module(self, *, fold_weights: bool) -> GraphModule:
        """The quantised net for one normalised picture (1, C, H, W): float at its edges, int8 within.

        With `fold_weights` its weights are int8 tensors; without, float tensors that are quantised in the graph.
        """
        with quietly():
            from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

            # A converted graph cannot be copied: copy the observed one.
            converted: GraphModule = convert_pt2e(copy.deepcopy(self.observed), fold_quantize=fold_weights)
        return converted


def prepare(run: Run, splits: Splits, plan: ExportPlan) -> Exportable:
    """Restore the net; if the plan asks for int8, observe its activations on calibration pictures.

    Raises RunError if the weights are not the recipe's, DataError if no picture is fit to calibrate with.
    """
    net = nets.restore(run)
    observed, drawn = None, None
    if "int8" in plan.precision:
        drawn = calibration.draw(splits, plan.calib_samples, plan.calib_seed)
        observed = observe(net, run, drawn.images)
    return Exportable(run, files.sha256(run.weights), net, observed, drawn)


def observe(net: nn.Module, run: Run, images: npt.NDArray[np.uint8]) -> GraphModule:
    """The net as a graph with a min-max observer at every tensor that becomes int8, fed with images (n, H, W, C)."""
    zero_point = int(run.mean) - 128
    if zero_point != run.mean - 128 or not -128 <= zero_point <= 127:
        raise RunError(f"The mean {run.mean} of {run.name} is not a pixel value: int8 input cannot hold it exactly.")
    with quietly():
        from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

        from edgecnn.annotate import EdgeQuantizer

        example = torch.zeros(1, *run.input_shape)
        graph = torch.export.export(net, (example,)).module()
        observed: GraphModule = prepare_pt2e(graph, EdgeQuantizer(1 / run.std, zero_point))
        with torch.no_grad():
            for image in images:
                observed(normalised(image[None], run))
    return observed


def normalised(images: npt.NDArray[np.uint8], run: Run) -> Tensor:
    """uint8 (N, H, W, C) -> the float32 (N, C, H, W) a net sees."""
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return (pixels.float() - run.mean) / run.std
