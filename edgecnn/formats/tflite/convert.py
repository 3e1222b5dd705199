"""Conversion of the float or quantised net to a TFLite model, for every format that contains one.

litert-torch converts; TensorFlow is not involved.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.common import scratch
from edgecnn.common.silence import quietly
from edgecnn.errors import EnvironmentUnfit, MissingPackage
from edgecnn.formats.tflite import flatbuffer as _tflite_model
from edgecnn.formats.tflite import float_islands, surgery

if TYPE_CHECKING:
    from edgecnn.formats import Source
    from edgecnn.records.plans import ExportPlan

BUILDS = (("Linux", "x86_64"), ("Darwin", "arm64"))
"""Systems for which litert-converter has a build."""


def check() -> None:
    """Check that this machine can convert.

    Raises:
        EnvironmentUnfit: The converter has no build for this machine.
        MissingPackage: A package is not installed.
    """
    from importlib.util import find_spec

    system, machine = platform.system(), platform.machine()
    if (system, machine) not in BUILDS:
        raise EnvironmentUnfit(
            f"Writing TFLite needs litert-converter, which has no build for {system} on {machine}.",
            "export on Linux x86-64 or on a Mac with an M chip, and copy the file; or --format onnx",
        )
    for package in ("torch", "torchao", "litert_torch", "litert_converter"):
        if find_spec(package) is None:
            raise MissingPackage(package.replace("_", "-"), "train", "Writing TFLite")


def takes_floats(precision: str, plan: ExportPlan) -> bool:
    """Return whether the input tensor holds raw pixels as float, so that normalisation is in the graph."""
    return precision != "int8" or plan.io == "float32"


def convert(model: Source, precision: str, plan: ExportPlan) -> Any:
    """Convert the net to a tidy ModelT without notes, as `precision` ("fp32", "fp16" or "int8").

    Raises:
        EnvironmentUnfit: With fp16, a weight exceeds half precision.
    """
    flatbuffer = _tflite_model.load(_convert(model, precision, takes_floats(precision, plan)))
    if precision == "int8":
        float_islands.unfence(flatbuffer)
    surgery.fold_flatten(flatbuffer)
    if precision == "int8" and plan.io == "uint8":
        surgery.uint8_input(flatbuffer)
        surgery.uint8_output(flatbuffer)
    elif precision == "int8" and plan.io == "float32":
        surgery.float_output(flatbuffer)
    surgery.tidy(flatbuffer, model.run.name)
    if precision == "fp16":
        surgery.weights_to_float16(flatbuffer)
    return flatbuffer


def _convert(model: Source, precision: str, of_floats: bool) -> bytes:
    """Return the converter's own file, with float pixels as input if `of_floats`, otherwise int8 at both edges."""
    with quietly(), scratch.folder() as folder:
        import litert_torch
        from litert_torch.quantize.pt2e_quantizer import PT2EQuantizer, get_symmetric_quantization_config
        from litert_torch.quantize.quant_config import QuantConfig
        from torch import nn

        from edgecnn.nets.layers import Normalise

        quant_config = None
        if precision != "int8":
            module: nn.Module = model.float_module()
        else:
            module = float_islands.fence(model.int8_module(fold_weights=False))
            if of_floats:
                module = nn.Sequential(Normalise(model.run.mean, model.run.std), module)
            # Only its flag "static" is used: without it the converter leaves every operator in float.
            quantizer = PT2EQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
            quant_config = QuantConfig(pt2e_quantizer=quantizer)
        nhwc = litert_torch.to_channel_last_io(module, args=[0])
        if precision != "int8":
            nhwc = nhwc.eval()  # a converted int8 graph has no eval(), and needs none
        example = model.example().permute(0, 2, 3, 1).contiguous()
        converted = litert_torch.convert(nhwc, (example,), quant_config=quant_config)
        target = Path(folder) / "model.tflite"
        converted.export(str(target))
        return target.read_bytes()
