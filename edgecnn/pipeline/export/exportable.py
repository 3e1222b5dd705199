"""The nets that formats write: the float net of a Run, and the same net with observed int8 ranges.

One observed graph gives every int8 file, so all of them have the same scales and zero points. The net sees (pixel -
mean) / std. The int8 graph's input has the fixed scale 1 / std and zero point mean - 128, so its int8 value is exactly
pixel - 128, and normalisation costs neither an operator nor a rounding.
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

from edgecnn import data, formats, nets
from edgecnn.common import files
from edgecnn.common.silence import quietly
from edgecnn.data import Splits
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, OutputError, first_line
from edgecnn.nets.layers import Normalise
from edgecnn.pipeline.export import rungs, scheme
from edgecnn.pipeline.export.calibration import Calibration
from edgecnn.pipeline.export.scheme import Scheme
from edgecnn.pipeline.export.scheme import normalised as normalised
from edgecnn.records import data_paths
from edgecnn.records.artifact import Artifact, Preprocessing
from edgecnn.records.plans import ExportPlan
from edgecnn.records.run import Run
from edgecnn.records.sound import FrontEnd


@dataclass(frozen=True)
class Exportable:
    """A trained net, ready for the formats to write."""

    run: Run
    run_sha256: str
    """Digest of the run's weights."""
    net: nn.Module
    """float32 (N, C, H, W), normalised -> logits (N, K), in eval mode."""
    observed: GraphModule | None
    """The net for normalised pictures with observed ranges of all activations; None if no int8 is planned."""
    calibration: Calibration | None

    @property
    def preprocessing(self) -> Preprocessing:
        channels, height, width = self.run.input_shape
        resizing = data_paths.resizing_of(self.run.recipe.data)
        return Preprocessing(
            height=height,
            width=width,
            channels=channels,
            colour_order="grey" if channels == 1 else "RGB",
            resize=resizing.rule,
            resizing=resizing,
        )

    @property
    def sound(self) -> FrontEnd | None:
        """The front end that turns a sound into an input picture; None for a net of pictures."""
        return data.sound(self.run.recipe.data)

    def example(self) -> Tensor:
        """Return one black picture, (1, C, H, W)."""
        return torch.zeros(1, *self.run.input_shape)

    def float_module(self) -> nn.Module:
        """Return a module from raw pixels 0..255 as float (N, C, H, W) to logits (N, K)."""
        return nn.Sequential(Normalise(self.run.mean, self.run.std), self.net).eval()

    def int8_module(self, *, fold_weights: bool) -> GraphModule:
        """Return the quantised net for normalised pictures (N, C, H, W), with float input and output and int8 inside.

        Args:
            fold_weights: Store the weights as int8 tensors. Otherwise they are float tensors that the graph quantises,
                each at
                exactly the value of its int8 weight, so that a converter cannot round it differently.
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

    Raises:
        RunError: The weights are not the recipe's.
        DataError: No picture can be used to calibrate.
        PlanError: A rung does not fit the net.
    """
    net = nets.restore(run)
    if "int8" in plan.precision:
        return exportable(rungs.climbed(scheme.plain(run, splits, plan, net), plan.rungs), net)
    return Exportable(run, files.sha256(run.weights), net, None, None)


def exportable(chosen: Scheme, net: nn.Module) -> Exportable:
    """Combine the run's own float net with int8 according to the scheme."""
    calibration = dataclasses.replace(chosen.calibration, rungs=chosen.taken)
    return Exportable(chosen.run, files.sha256(chosen.run.weights), net, scheme.observe(chosen), calibration)


def _round_weights(graph: GraphModule) -> None:
    """Set every float weight that the graph quantises to its quantised value.

    A quotient of weight and scale just below a half can be a half in float32, and is then rounded to the other side.
    """
    decomposed = torch.ops.quantized_decomposed
    pairs = {
        decomposed.quantize_per_channel.default: decomposed.dequantize_per_channel.default,
        decomposed.quantize_per_tensor.default: decomposed.dequantize_per_tensor.default,
    }
    for node in graph.graph.nodes:
        if node.target not in pairs or node.args[0].op != "get_attr":
            continue
        weight, *rest = (  # the rest is scale, zero point and other arguments that both operators take
            operator.attrgetter(str(argument.target))(graph) if isinstance(argument, Node) else argument
            for argument in node.args
        )
        with torch.no_grad():
            weight.copy_(pairs[node.target](node.target(weight, *rest), *rest))


def write(model: Exportable, format_name: str, precision: str, plan: ExportPlan, folder: Path, stem: str) -> Artifact:
    """Write the net into `folder` as one file, and describe it.

    Args:
        model: The net.
        format_name: The format.
        precision: "fp32", "fp16" or "int8".
        plan: The export plan.
        folder: Where to write.
        stem: Name of the file without the format's suffix.

    Raises:
        OutputError: The folder cannot be written.
        EnvironmentUnfit: The converter cannot write this net, or wrote another precision.
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
    except Exception as error:  # each converter has its own errors for a net that it cannot convert
        raise EnvironmentUnfit(
            f"The {format_name} converter cannot write {model.run.name} as {precision}: {first_line(error)}.",
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
        sound=model.sound,
    )
