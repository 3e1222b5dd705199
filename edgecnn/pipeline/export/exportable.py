"""From a Run to what the formats write: the float net, and the same net with int8 ranges observed.

One observed graph gives every int8 file, so all of them hold the same scales and zero points. The net
sees (pixel - mean) / std. The int8 graph's input has scale 1 / std and zero point mean - 128, fixed: its int8
value is pixel - 128 exactly, and normalisation costs neither an operator nor a rounding.
"""

from __future__ import annotations

import copy
import dataclasses
import operator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from edgecnn import formats, nets
from edgecnn.common import files
from edgecnn.common.silence import quietly
from edgecnn.data import Splits
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, OutputError
from edgecnn.nets.layers import Normalise
from edgecnn.pipeline.export import rungs, scheme
from edgecnn.pipeline.export.calibration import Calibration
from edgecnn.pipeline.export.scheme import Scheme
from edgecnn.pipeline.export.scheme import normalised as normalised
from edgecnn.records.artifact import RESIZE_RULE, Artifact, Preprocessing
from edgecnn.records.plans import ExportPlan
from edgecnn.records.run import Run


@dataclass(frozen=True)
class Exportable:
    """A trained net, ready for the formats to write."""

    run: Run
    run_sha256: str
    """Of the run's weights."""
    net: nn.Module
    """float32 (N, C, H, W), normalised -> logits (N, K), in eval mode."""
    observed: GraphModule | None
    """The net for normalised pictures, ranges of all activations observed; None if no int8 is planned."""
    calibration: Calibration | None

    @property
    def preprocessing(self) -> Preprocessing:
        channels, height, width = self.run.input_shape
        return Preprocessing(
            height=height,
            width=width,
            channels=channels,
            colour_order="grey" if channels == 1 else "RGB",
            resize=RESIZE_RULE,
        )

    def example(self) -> Tensor:
        """One black picture, (1, C, H, W)."""
        return torch.zeros(1, *self.run.input_shape)

    def float_module(self) -> nn.Module:
        """Raw pixels 0..255 as float (N, C, H, W) -> logits (N, K)."""
        return nn.Sequential(Normalise(self.run.mean, self.run.std), self.net).eval()

    def int8_module(self, *, fold_weights: bool) -> GraphModule:
        """The quantised net for normalised pictures (N, C, H, W): float at its edges, int8 within.

        With `fold_weights` its weights are int8 tensors; without, float tensors that are quantised in the graph: each
        at the very value of its int8 weight, so that whoever quantises it again cannot round it another way.
        """
        with quietly():
            from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

            # A converted graph cannot be copied: copy the observed one.
            converted: GraphModule = convert_pt2e(copy.deepcopy(self.observed), fold_quantize=fold_weights)
        if not fold_weights:
            _round_weights(converted)
        return converted


def prepare(run: Run, splits: Splits, plan: ExportPlan) -> Exportable:
    """Restore the net; if the plan asks for int8, take the plan's rungs and observe the activations.

    Raises RunError if the weights are not the recipe's, DataError if no picture is fit to calibrate with, PlanError
    for a rung that does not fit the net.
    """
    net = nets.restore(run)
    if "int8" in plan.precision:
        return exportable(rungs.climbed(scheme.plain(run, splits, plan, net), plan.rungs), net)
    return Exportable(run, files.sha256(run.weights), net, None, None)


def exportable(chosen: Scheme, net: nn.Module) -> Exportable:
    """The run's own net, and int8 as the scheme has it."""
    calibration = dataclasses.replace(chosen.calibration, rungs=chosen.taken)
    return Exportable(chosen.run, files.sha256(chosen.run.weights), net, scheme.observe(chosen), calibration)


def _round_weights(graph: GraphModule) -> None:
    """Give every float weight that the graph quantises its quantised value.

    A quotient of weight and scale that is just short of a half is one in float32, and rounds to the other side.
    """
    decomposed = torch.ops.quantized_decomposed
    pairs = {
        decomposed.quantize_per_channel.default: decomposed.dequantize_per_channel.default,
        decomposed.quantize_per_tensor.default: decomposed.dequantize_per_tensor.default,
    }
    for node in graph.graph.nodes:
        if node.target not in pairs or node.args[0].op != "get_attr":
            continue
        weight, *rest = (  # and scale, zero point, and what else both operators take
            operator.attrgetter(str(one.target))(graph) if isinstance(one, Node) else one for one in node.args
        )
        with torch.no_grad():
            weight.copy_(pairs[node.target](node.target(weight, *rest), *rest))


def write(model: Exportable, format_name: str, precision: str, plan: ExportPlan, folder: Path, stem: str) -> Artifact:
    """Write `stem` with the format's ending into `folder`.

    Raises OutputError if the folder does not take it, EnvironmentUnfit if the converter cannot write this net.
    """
    writer = formats.get(format_name)
    path = folder / f"{stem}{writer.SUFFIX}"
    try:
        with files.saying_when_full(folder):
            writer.write(model, precision, plan, path)
    except EdgecnnError:
        raise
    except OSError as error:
        raise OutputError(f"Cannot write {path.name} into {folder.parent}: {error.strerror or error}.") from error
    except Exception as error:  # a net may hold what a converter does not know, and each says it in its own way
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise EnvironmentUnfit(
            f"The {format_name} converter cannot write {model.run.name} as {precision}: {reason}.",
            "which operator of the net does it not know?",
        ) from error
    description = writer.describe(path)
    if not description.precision.startswith(precision):
        raise EnvironmentUnfit(
            f"The {format_name} converter was asked for {precision} and wrote {description.precision}.",
            "install the versions of constraints.txt",
        )
    quantised = precision == "int8"
    return Artifact(
        path=path,
        description=description,
        preprocessing=model.preprocessing,
        labels=model.run.labels,
        run=model.run.name,
        run_sha256=model.run_sha256,
        target=plan.target if quantised and format_name == "onnx" else None,
        calibration=model.calibration.summary() if quantised and model.calibration is not None else {},
    )
