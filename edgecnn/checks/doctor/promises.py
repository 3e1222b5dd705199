"""Compares the precision that a file's name promises with that of the file.

Only unambiguous marks count as promises: "mixed", "half" and "dynamic" are everyday words, and "dynamic" in the name of
an ONNX file is about its sizes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edgecnn.checks.doctor.finding import Finding, named
from edgecnn.formats import Outline
from edgecnn.records.artifact import Description

ANY_INT8 = ("int8", "dynamic")
MARKS = {
    # mark in a name -> prefixes of the precisions that keep its promise
    "fp32": ("fp32",), "float32": ("fp32",),
    "fp16": ("fp16",), "float16": ("fp16",), "bf16": ("bf16",), "bfloat16": ("bf16",),
    "int16x8": ("int16x8",), "16x8": ("int16x8",),
    "int8": ANY_INT8, "uint8": ANY_INT8, "full_integer_quant": ("int8",), "integer_quant": ANY_INT8,
    "dynamic_range_quant": ("dynamic",),
    "int4": ("int4", "int8x4", "int16x4"), "uint4": ("int4", "int8x4", "int16x4"),
}  # fmt: skip
PURE = frozenset({"int8", "uint8", "full_integer_quant"})
"""Marks that promise that nothing computes in float."""
QUANTISED = re.compile(r"(^|_)(quant|quantized|quantised)$")
"""The end of a name that promises some integers."""


def findings(path: Path, description: Description, graph: Outline) -> Iterator[Finding]:
    """Report whether the file keeps the promise of its name, and how many operators compute in float."""
    word, total = description.precision, sum(description.operators.values())
    facts = (
        f"{word}: {description.float_operators} of {total} operators compute in float, "
        f"input {description.input.dtype}, output {description.output.dtype}"
    )
    promised = marks(path.stem)
    stem = _plain(path.stem)
    is_kept = not promised or any(word.startswith(MARKS[mark]) for mark in promised)
    if not promised and QUANTISED.search(stem):
        promised, is_kept = ("quantised",), "int" in word or word == "dynamic"
    if not is_kept:
        of_float = [operator for operator in graph.operators if operator.is_float]
        evidence = f"its name says {' and '.join(promised)}, it is {facts}"
        evidence += f" ({named(of_float)})" if of_float and word != "fp32" else ""
        yield Finding(level="wrong", subject="precision", evidence=evidence, mend=f"export it again, or call it {word}")
    elif PURE.intersection(promised) and word != "int8" and word.removeprefix("int8-") not in stem.split("_"):
        of_float = [operator for operator in graph.operators if operator.is_float]
        evidence = f"its name says {' and '.join(promised)}, it is {facts}"
        evidence += f" ({named(of_float)})" if of_float else ""
        mend = "fine if it is meant so; else see which operators the quantiser left out"
        yield Finding(level="warn", subject="precision", evidence=evidence, mend=mend)
    else:
        yield Finding(level="ok", subject="precision", evidence=facts)


def marks(stem: str) -> tuple[str, ...]:
    """Return the marks of a precision in a file name without its suffix."""
    plain = f"_{_plain(stem)}_"
    return tuple(mark for mark in MARKS if f"_{mark}_" in plain)


def _plain(stem: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", stem.lower())
