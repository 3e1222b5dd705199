"""Which ONNX Runtime reads which ONNX, and how a graph is written for an older one.

A runtime refuses a file whose IR version or opset is newer than those it was released with. The two numbers of
RELEASES were read off each release from 1.15 on, by what it says when it is given opset 99 and IR 99; the older
ones are those of the ONNX release it was built with (onnxruntime.ai, reference/compatibility).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecnn.errors import EnvironmentUnfit, PlanError

RELEASES = {
    (1, 7): (13, 7),
    (1, 8): (14, 7),
    (1, 9): (15, 8),
    (1, 10): (15, 8),
    (1, 11): (16, 8),
    (1, 12): (17, 8),
    (1, 13): (17, 8),
    (1, 14): (18, 8),
    (1, 15): (19, 9),
    (1, 16): (19, 9),
    (1, 17): (20, 9),
    (1, 18): (21, 10),
    (1, 19): (21, 10),
    (1, 20): (21, 10),
    (1, 21): (22, 10),
    (1, 22): (22, 10),
    (1, 23): (23, 11),
    (1, 24): (25, 13),
    (1, 25): (26, 13),
}
"""Release of ONNX Runtime -> the newest opset and IR version it reads; those after the last read no less."""

OLDEST_OPSET = 7
"""Of what is older ONNX Runtime has kernels for some operators and none for others (its docs, Compatibility)."""
OLDEST_WHEEL = {(3, 11): (1, 15), (3, 12): (1, 17), (3, 13): (1, 20), (3, 14): (1, 24)}
"""Python -> the oldest ONNX Runtime that has an aarch64 wheel for it."""

IR_VERSION = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8}
"""Opset -> the IR version of the ONNX release that brought it: the oldest that may hold it."""

UNCHANGED_FROM_13_TO_14 = frozenset(
    {
        "Add", "AveragePool", "Cast", "Clip", "Concat", "Conv", "DequantizeLinear", "Div", "Erf", "Flatten", "Gather",
        "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Identity", "MatMul", "MaxPool", "Mul", "Pad", "QuantizeLinear",
        "ReduceMean", "Relu", "Reshape", "Sigmoid", "Slice", "Softmax", "Sqrt", "Squeeze", "Sub", "Transpose",
        "Unsqueeze",
    }
)  # fmt: skip
"""Operators for which opset 14 brought further types, or the attribute `allowzero`, and nothing else."""


def released(version: str) -> tuple[int, int]:
    """ "1.16.3" -> (1, 16)."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def reads(version: str) -> tuple[int, int]:
    """The newest (opset, IR version) an ONNX Runtime reads; PlanError for one older than all that are known."""
    wanted = released(version)
    fits = [numbers for release, numbers in RELEASES.items() if release <= wanted]
    if not fits:
        raise PlanError(
            f"ONNX Runtime {version} is older than what files can be written for.",
            f"int8 with a scale per channel came with opset 13: {dotted(min(RELEASES))} or newer",
        )
    return fits[-1]


def needed(opset: int, ir_version: int) -> tuple[int, int] | None:
    """The oldest ONNX Runtime that reads them; None if none of those known does."""
    return next((release for release, (o, ir) in RELEASES.items() if o >= opset and ir >= ir_version), None)


def dotted(release: tuple[int, int]) -> str:
    return ".".join(map(str, release))


def lower(model: Any, version: str) -> Any:
    """The model as ONNX Runtime `version` reads it: the same graph in an older opset, every result the same.

    Raises EnvironmentUnfit that names the operator for which there is no older form.
    """
    from onnx import version_converter

    wanted, _ = reads(version)
    (entry,) = (entry for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if entry.version <= wanted:
        return model
    _drop_idle_attributes(model)
    target = max(wanted, 14)  # onnx's own converter has no way from 14 to 13
    try:
        lowered = version_converter.convert_version(model, target)
    except RuntimeError as error:
        operator = str(error).partition("No Previous Version of ")[2].partition(" ")[0]
        reason = f"{operator} is newer" if operator else str(error).rpartition(": ")[2]
        raise EnvironmentUnfit(
            f"The net cannot be written for ONNX Runtime {version} (opset {wanted}): {reason}.",
            "name a newer one with --onnx-for",
        ) from error
    if wanted == 13:
        _to_opset_13(lowered, version)
    lowered.ir_version = IR_VERSION[wanted]
    return lowered


def _to_opset_13(model: Any, version: str) -> None:
    from onnx import numpy_helper

    shapes = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in UNCHANGED_FROM_13_TO_14 or (node.op_type == "Reshape" and _allows_zero(node, shapes)):
            raise EnvironmentUnfit(
                f"The net cannot be written for ONNX Runtime {version} (opset 13): {node.op_type} is newer.",
                "name 1.8 or a newer one with --onnx-for",
            )
        _keep(node, lambda attribute: attribute.name != "allowzero")
    model.opset_import[0].version = 13


def _allows_zero(node: Any, shapes: dict[str, Any]) -> bool:
    """Whether a Reshape makes an empty tensor: only then its attribute `allowzero` matters."""
    asked = any(attribute.name == "allowzero" and attribute.i for attribute in node.attribute)
    return asked and (node.input[1] not in shapes or bool((shapes[node.input[1]] == 0).any()))


def _drop_idle_attributes(model: Any) -> None:
    """Attributes that older opsets do not know, where they say what is done without them anyway."""
    for node in model.graph.node:
        _keep(node, lambda attribute: attribute.name != "noop_with_empty_axes" or attribute.i)


def _keep(node: Any, wanted: Callable[[Any], Any]) -> None:
    kept = [attribute for attribute in node.attribute if wanted(attribute)]
    del node.attribute[:]
    node.attribute.extend(kept)
