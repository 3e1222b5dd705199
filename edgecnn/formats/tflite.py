"""TFLite: NHWC, one picture a call.

fp32 takes raw pixels 0..255 as float. int8 takes bytes: int8 (pixel - 128), uint8 (pixel) or, with float at its
edges, raw pixels as float; `--io` says which. Written by litert-torch; there is no TensorFlow in it.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.errors import EnvironmentUnfit, MissingPackage
from edgecnn.formats import _tflite_metadata, _tflite_model, _tflite_surgery
from edgecnn.formats._tflite_describe import describe as describe
from edgecnn.quiet import quietly

if TYPE_CHECKING:
    from edgecnn.plans import ExportPlan
    from edgecnn.quantize import Exportable

SUFFIX = ".tflite"
BUILDS = (("Linux", "x86_64"), ("Darwin", "arm64"))
"""Where litert-converter has one."""
CARD_NOTE = "EDGECNN_CARD"
"""Metadata entry with the same notes as JSON that an ONNX file has as properties."""


def check() -> None:
    """Raise EnvironmentUnfit where the converter has no build, MissingPackage if it is not installed."""
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


def write(model: Exportable, precision: str, plan: ExportPlan, path: Path) -> None:
    """Write the net as `precision` ("fp32" or "int8") to `path`, labels and preprocessing inside."""
    takes_floats = precision == "fp32" or plan.io == "float32"
    flatbuffer = _tflite_model.load(_convert(model, precision, takes_floats))
    _tflite_surgery.fold_flatten(flatbuffer)
    if precision == "int8" and plan.io == "uint8":
        _tflite_surgery.uint8_input(flatbuffer)
        _tflite_surgery.uint8_output(flatbuffer)
    elif precision == "int8" and plan.io == "float32":
        _tflite_surgery.float_output(flatbuffer)
    _tflite_surgery.tidy(flatbuffer, model.run.name)
    mean, std = (0.0, 1.0) if takes_floats else (model.run.mean, model.run.std)
    metadata = _tflite_metadata.build(model.run.name, model.preprocessing, mean, std)
    notes: dict[str, Any] = {
        "labels": model.run.labels,
        "preprocessing": dataclasses.asdict(model.preprocessing),
        "run": model.run.name,
        "run_sha256": model.run_sha256,
    }
    if precision == "int8" and model.calibration is not None:
        notes["calibration"] = model.calibration.summary()
    _tflite_surgery.add_note(flatbuffer, CARD_NOTE, json.dumps(notes).encode())
    _tflite_surgery.add_note(flatbuffer, _tflite_metadata.NOTE, metadata)
    path.write_bytes(_tflite_metadata.append_labels(_tflite_model.dump(flatbuffer), model.run.labels))


def _convert(model: Exportable, precision: str, takes_floats: bool) -> bytes:
    """The converter's own file: float pixels in front if `takes_floats`, else int8 at both edges."""
    with quietly(), tempfile.TemporaryDirectory() as folder:
        import litert_torch
        from litert_torch.quantize.pt2e_quantizer import PT2EQuantizer, get_symmetric_quantization_config
        from litert_torch.quantize.quant_config import QuantConfig
        from torch import nn

        from edgecnn.layers import Normalise

        quant_config = None
        if precision == "fp32":
            module: nn.Module = model.float_module()
        else:
            module = model.int8_module(fold_weights=False)
            if takes_floats:
                module = nn.Sequential(Normalise(model.run.mean, model.run.std), module)
            # Read for one flag only, "static": without it the converter leaves every operator in float.
            quantizer = PT2EQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
            quant_config = QuantConfig(pt2e_quantizer=quantizer)
        nhwc = litert_torch.to_channel_last_io(module, args=[0])
        if precision == "fp32":
            nhwc = nhwc.eval()  # a converted int8 graph has no eval(), and needs none
        example = model.example().permute(0, 2, 3, 1).contiguous()
        converted = litert_torch.convert(nhwc, (example,), quant_config=quant_config)
        target = Path(folder) / "model.tflite"
        converted.export(str(target))
        return target.read_bytes()
