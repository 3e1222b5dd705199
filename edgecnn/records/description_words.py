"""A model file's description of itself, in words."""

from __future__ import annotations

import textwrap

from edgecnn.common import sizes
from edgecnn.records.artifact import Description, TensorSpec

WIDTH = 80


def lines(name: str, description: Description) -> list[str]:
    """Return a model file's own words, one fact a line, in 80 columns."""
    wrapped: list[str] = []
    for label, text in facts(name, description).items():
        wrapped += textwrap.wrap(text, WIDTH, initial_indent=f"{label:<16}", subsequent_indent=" " * 16)
    return wrapped


def facts(name: str, description: Description) -> dict[str, str]:
    """Return what a model file says of itself, in words, by what it is about."""
    count = sum(description.operators.values())
    operators = ", ".join(f"{kind} {n}" for kind, n in description.operators.items())
    facts = {
        "file": name,
        "format": f"{description.format}, {description.format_version}",
        "bytes": f"{description.bytes:,}",
        "sha256": description.sha256,
        "precision": description.precision,
        "input": tensor_words(description.input),
        "output": tensor_words(description.output),
        "parameters": f"{description.parameters:,}",
        "MACs": _count(description.macs, description),
        "operators": f"{count}: {operators}",
        "in float": f"{description.float_operators} of {count} operators",
        "quantise pairs": f"{description.quantize_pairs} operators that only quantise or dequantise",
        "transposes": str(description.transposes),
        "planned peak": _count(description.planned_activation_peak_bytes, description, " bytes of activations at once"),
        "labels": ", ".join(description.labels) or "none inside",
    }
    if description.micro_arena_bytes is not None:
        facts["tensor arena"] = f"{description.micro_arena_bytes:,} bytes in tflite-micro"
    return facts


def tensor_words(spec: TensorSpec) -> str:
    """Return one tensor in words: "x: int8 1x28x28x1 NHWC, real = 0.0039 * (stored + 128)"."""
    size = sizes.words(spec.shape) if spec.shape or spec.open else ""
    words = f"{spec.name}: {spec.dtype} {size} {spec.layout}".rstrip()
    words += {"probability": ", a sigmoid for two classes", "number": f", the class itself, of {spec.classes}"}.get(
        spec.reading, ""
    )
    if spec.scale is None:
        return words
    zero_point = spec.zero_point or 0
    sign = "+" if zero_point < 0 else "-"
    return f"{words}, real = {spec.scale:.6g} * (stored {sign} {abs(zero_point)})"


def _count(number: int | None, description: Description, unit: str = "") -> str:
    if number is not None:
        return f"{number:,}{unit}"
    spec = description.input
    if not spec.open:
        return "unknown"
    return f"open, as the input's size is: say it with --input {sizes.example(spec.shape or None)}"
