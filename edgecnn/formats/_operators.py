"""What each operator of a graph does: its shape, MACs and bytes; and the graph cut after the first k of them.

A format's OPERATORS is a `Reader`. The graph is the one a
runtime executes (`Runtime.lower`), so an operator here is one kernel there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

CONVOLUTIONS = ("conv", "depthwise", "pointwise", "grouped conv")
WEIGHTED = (*CONVOLUTIONS, "transposed conv", "dense", "matmul")
"""Kinds that multiply and accumulate."""
MOVES = ("transpose", "reorder")
"""Kinds that only change the order of values in memory; a reorder is ONNX Runtime's, to and from blocked channels."""
CODERS = ("quantize", "dequantize")

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator as it is executed."""

    name: str
    """As the file names it."""
    operator: str
    """As the runtime calls it, such as QLinearConv or CONV_2D."""
    kind: str
    """One of WEIGHTED, MOVES, CODERS, or what else it is: "add", "max pool", "reshape", ..."""
    label: str
    """Kind and size in few letters: "conv 3x3/2 1>64"."""
    input_shape: Shape
    """Of its first activation, as it lies in memory."""
    output_shape: Shape
    channels: tuple[int, int] | None = None
    """(in, out) of a weighted kind."""
    stride: int = 1
    macs: int
    bytes: int
    """Moved once each: activations read and written, and constants."""
    is_float: bool
    """Computes in float; a coder, which stands between the two, does not."""


class Reader(Protocol):
    """What a format has as its OPERATORS. `data` is a model file."""

    def read(
        self, data: bytes, outputs: Mapping[int, Sequence[tuple[str, Shape]]], input_shape: Shape = ()
    ) -> tuple[Operator, ...]:
        """The operators in the file's order.

        outputs: operator's place in the file -> (dtype, shape) of each of its outputs, where a runtime has told;
        a format that holds them itself needs none. input_shape: of the input it ran with, where the file leaves
        sizes open. Raises ModelFileError for what cannot be read.
        """
        ...

    def prefixes(self, data: bytes) -> tuple[bytes, ...]:
        """Model files: the call alone (the input's shape is put out), the first operator, the first two, ..., all.

        A prefix puts out everything that a later operator reads, so that nothing becomes needless early.
        """
        ...


def convolution_kind(kernel: Shape, channels_per_group: int, groups: int) -> str:
    """The kind of a convolution by its kernel (kh, kw) and groups."""
    if groups > 1:
        return "depthwise" if channels_per_group == 1 else "grouped conv"
    return "pointwise" if math.prod(kernel) == 1 else "conv"


def convolution_label(kind: str, kernel: Shape, stride: int, channels: tuple[int, int]) -> str:
    """As in "conv 3x3/2 1>64" or "pointwise 64>128"."""
    size = "" if kind == "pointwise" else f" {'x'.join(map(str, kernel))}"
    step = f"/{stride}" if stride > 1 else ""
    width = str(channels[0]) if kind == "depthwise" and channels[0] == channels[1] else f"{channels[0]}>{channels[1]}"
    return f"{kind}{size}{step} {width}"
