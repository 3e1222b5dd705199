"""Versions: which ONNX Runtime reads which ONNX, and the conversion of a graph for an older one.

A runtime refuses a file whose IR version or opset is newer than its release. The numbers in RELEASES were read from
each release from 1.15 on, by what it says about opset 99 and IR 99; older ones are those of the ONNX release it was
built with (onnxruntime.ai, reference/compatibility).
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
"""The newest opset and IR version that each ONNX Runtime reads; releases after the last one read at least as much."""

OLDEST_OPSET = 7
"""For older opsets ONNX Runtime has kernels for only some operators (its docs, Compatibility)."""
OLDEST_WHEEL = {(3, 11): (1, 15), (3, 12): (1, 17), (3, 13): (1, 20), (3, 14): (1, 24)}
"""The oldest ONNX Runtime with an aarch64 wheel, by Python version."""

IR_VERSION = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8}
"""The oldest IR version that allows an opset: that of the ONNX release which introduced it."""

UNCHANGED_FROM_13_TO_14 = frozenset(
    {
        "Add", "AveragePool", "Cast", "Clip", "Concat", "Conv", "DequantizeLinear", "Div", "Erf", "Flatten", "Gather",
        "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Identity", "MatMul", "MaxPool", "Mul", "Pad", "QuantizeLinear",
        "ReduceMean", "Relu", "Reshape", "Sigmoid", "Slice", "Softmax", "Sqrt", "Squeeze", "Sub", "Transpose",
        "Unsqueeze",
    }
)  # fmt: skip
"""Operators for which opset 14 added only types, or the attribute `allowzero`."""


def released(version: str) -> tuple[int, int]:
    """Parse "1.16.3" into (1, 16)."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def reads(version: str) -> tuple[int, int]:
    """Return the newest (opset, IR version) that an ONNX Runtime reads.

    Raises:
        PlanError: It is older than all that are known.
    """
    wanted = released(version)
    fits = [numbers for release, numbers in RELEASES.items() if release <= wanted]
    if not fits:
        raise PlanError(
            f"ONNX Runtime {version} is older than what files can be written for.",
            f"int8 with a scale per channel came with opset 13: {dotted(min(RELEASES))} or newer",
        )
    return fits[-1]


def needed(opset: int, ir_version: int) -> tuple[int, int] | None:
    """Return the oldest ONNX Runtime that reads this opset and IR version; None if no known one does."""
    return next((release for release, (o, ir) in RELEASES.items() if o >= opset and ir >= ir_version), None)


def dotted(release: tuple[int, int]) -> str:
    return ".".join(map(str, release))


def lower(model: Any, version: str) -> Any:
    """Convert the model to the opset of ONNX Runtime `version`, with the same results.

    Raises:
        PlanError: The version is too old.
        EnvironmentUnfit: An operator has no older form; the sentence names it.
    """
    from onnx import version_converter

    wanted, _ = reads(version)
    (entry,) = (entry for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if entry.version <= wanted:
        return model
    _drop_idle_attributes(model)
    target = max(wanted, 14)  # onnx's own converter cannot convert from 14 to 13
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

    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in UNCHANGED_FROM_13_TO_14 or (node.op_type == "Reshape" and _allows_zero(node, shapes)):
            raise EnvironmentUnfit(
                f"The net cannot be written for ONNX Runtime {version} (opset 13): {node.op_type} is newer.",
                "name 1.8 or a newer one with --onnx-for",
            )
        _keep(node, lambda attribute: attribute.name != "allowzero")
    model.opset_import[0].version = 13


def _allows_zero(node: Any, shapes: dict[str, Any]) -> bool:
    """Return whether a Reshape may make an empty tensor; only then does its attribute `allowzero` matter."""
    is_set = any(attribute.name == "allowzero" and attribute.i for attribute in node.attribute)
    return is_set and (node.input[1] not in shapes or bool((shapes[node.input[1]] == 0).any()))


def _drop_idle_attributes(model: Any) -> None:
    """Drop attributes that older opsets do not know where they state the default."""
    for node in model.graph.node:
        _keep(node, lambda attribute: attribute.name != "noop_with_empty_axes" or attribute.i)


def _keep(node: Any, wanted: Callable[[Any], Any]) -> None:
    attributes = [attribute for attribute in node.attribute if wanted(attribute)]
    del node.attribute[:]
    node.attribute.extend(attributes)
