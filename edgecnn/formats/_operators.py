"""The operators of a graph with their shapes, MACs and bytes; and the graph cut after its first k operators.

A format's OPERATORS is a `Reader`. The graph is the one that a runtime executes (`Runtime.lower`), so each operator
here is one kernel there.
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
"""Kinds that only reorder values in memory; a reorder is ONNX Runtime's, to and from blocked channels."""
CODERS = ("quantize", "dequantize")

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator as it is executed."""

    name: str
    """The name in the file."""
    operator: str
    """The runtime's name for it, such as QLinearConv or CONV_2D."""
    kind: str
    """One of WEIGHTED, MOVES or CODERS, or another word such as "add", "max pool", "reshape"."""
    label: str
    """Kind and size in brief, such as "conv 3x3/2 1>64"."""
    input_shape: Shape
    """Shape of the first activation, in memory order."""
    output_shape: Shape
    channels: tuple[int, int] | None = None
    """(in, out) of a weighted kind."""
    stride: int = 1
    kernel: tuple[int, int] = (1, 1)
    """(height, width) of a convolution's filter or of a pool's window."""
    is_rectified: bool = False
    """Whether an activation is fused into it, where its file says so."""
    macs: int
    bytes: int
    """Activations read and written, and constants, each counted once."""
    is_float: bool
    """Whether it computes in float; a coder, which converts to or from float, does not."""


class Reader(Protocol):
    """Reads the operators of a format's files, given as bytes."""

    def read(
        self, data: bytes, outputs: Mapping[int, Sequence[tuple[str, Shape]]], input_shape: Shape = ()
    ) -> tuple[Operator, ...]:
        """Read the operators in the file's order.

        Args:
            data: The model file.
            outputs: (dtype, shape) of each output of an operator, by the operator's position in the file, as reported
                by a
                runtime; formats whose files hold them need none.
            input_shape: Shape of the input it ran with, if the file leaves sizes open.

        Raises:
            ModelFileError: The file cannot be read.
        """
        ...

    def prefixes(self, data: bytes) -> tuple[bytes, ...]:
        """Return model files that end after 0, 1, 2, ... all operators; the first outputs the input's shape.

        A prefix outputs everything that a later operator reads, so that no operator in it becomes unused.
        """
        ...


def convolution_kind(kernel: Shape, channels_per_group: int, groups: int) -> str:
    """Return the kind of a convolution by its kernel (kh, kw) and groups."""
    if groups > 1:
        return "depthwise" if channels_per_group == 1 else "grouped conv"
    return "pointwise" if math.prod(kernel) == 1 else "conv"


def convolution_label(kind: str, kernel: Shape, stride: int, channels: tuple[int, int]) -> str:
    """Format a label such as "conv 3x3/2 1>64" or "pointwise 64>128"."""
    size = "" if kind == "pointwise" else f" {'x'.join(map(str, kernel))}"
    step = f"/{stride}" if stride > 1 else ""
    width = str(channels[0]) if kind == "depthwise" and channels[0] == channels[1] else f"{channels[0]}>{channels[1]}"
    return f"{kind}{size}{step} {width}"
