"""ONNX: NCHW, one picture per call, opset 18 with the oldest IR version that allows it.

fp32 takes raw pixels 0..255 as float. So does fp16, whose weights are stored in half precision and cast on loading,
because ONNX Runtime's CPU provider computes in float32. int8 is a QDQ graph whose input and output hold bytes: uint8,
which with int8 weights is fast on every CPU, or int8 for an ARM core with dot product. The plan's `io` adds operators
at the edges to change that, and `onnx_for` selects an older opset.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import edgecnn
from edgecnn.common import documents
from edgecnn.common.silence import quietly
from edgecnn.errors import MissingPackage
from edgecnn.formats.onnx import cut, float_islands, operators, surgery, versions
from edgecnn.formats.onnx.description import describe as describe

if TYPE_CHECKING:
    from edgecnn.formats import Source
    from edgecnn.records.plans import ExportPlan

SUFFIX = ".onnx"
OPERATORS, CUTTER = operators, cut
OPSET = 18
"""The oldest opset that torch writes."""
IR_VERSION = 8
"""The oldest IR version that allows opset 18; ONNX Runtime reads it from 1.14 on."""


def check() -> None:
    """Check that the exporter is installed.

    Raises:
        MissingPackage: It is not.
    """
    from importlib.util import find_spec

    for package in ("torch", "onnx", "onnxscript"):
        if find_spec(package) is None:
            raise MissingPackage(package, "train", "Writing ONNX")


def write(model: Source, precision: str, plan: ExportPlan, path: Path) -> None:
    """Write the net as `precision` ("fp32", "fp16" or "int8") to `path`, with labels and preprocessing inside.

    Raises:
        PlanError: `plan.onnx_for` is too old.
        EnvironmentUnfit: The net cannot be written for that runtime, or in half precision.
    """
    import onnx
    import torch

    if plan.onnx_for:
        versions.reads(plan.onnx_for)
    module = model.int8_module(fold_weights=True) if precision == "int8" else model.float_module()
    with quietly():
        program = torch.onnx.export(
            module,
            (model.example(),),
            input_names=["input"],
            output_names=["logits"],
            dynamo=True,
            external_data=False,
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    surgery.global_pools(proto)
    if precision == "int8":
        surgery.cut_edges(proto)
        surgery.fold_weight_transposes(proto)
        surgery.biases_to_int32(proto)
        if plan.target == "any":
            surgery.activations_to_uint8(proto)
            if plan.weight_range == "full":
                surgery.weights_to_uint8(proto)
        if plan.io != "auto":
            surgery.edges_as(proto, plan.io)
        float_islands.keep(proto)
    surgery.tidy(proto, IR_VERSION)
    if precision == "fp16":
        surgery.weights_to_float16(proto)
    if plan.onnx_for:
        proto = versions.lower(proto, plan.onnx_for)
    proto.graph.name = model.run.name
    proto.producer_name, proto.producer_version = "edgecnn", edgecnn.__version__
    notes = {
        "labels": documents.to_json(model.run.labels, None),
        "preprocessing": documents.to_json(dataclasses.asdict(model.preprocessing), None),
        "run": model.run.name,
        "run_sha256": model.run_sha256,
    }
    if model.sound is not None:
        notes["sound"] = documents.to_json(dataclasses.asdict(model.sound), None)
    if precision == "int8" and model.calibration is not None:
        notes["target"] = plan.target
        notes["calibration"] = documents.to_json(model.calibration.summary(), None)
    onnx.helper.set_model_props(proto, notes)
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))
