"""The values between the operators of a model file, and the contract for cutting a file at one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A value that a runtime stores while it runs a graph.

    In a QDQ graph of ONNX it is the 8-bit tensor behind an operator's QuantizeLinear: with an int8 kernel, the float
    value before it never exists.
    """

    name: str
    operator: str
    """The operator that writes it, in the format's words, such as CONV_2D or Conv."""
    shape: tuple[int, ...]
    """() if the file does not tell."""
    dtype: str
    scale: float | None
    zero_point: int | None
    inputs: tuple[str, ...]
    """Names of the values that it is computed from, without constants."""


class Cutter(Protocol):
    """Cuts a format's files at inner tensors."""

    def tensors(self, data: bytes) -> tuple[Inner, ...]:
        """List the stored values that depend on the input, in execution order."""
        ...

    def prefix(self, data: bytes, name: str) -> bytes:
        """Return the file that ends at the tensor `name`.

        Raises:
            KeyError: No operator writes a tensor of that name.
        """
        ...

    def constants(self, data: bytes, inner: Inner) -> tuple[npt.NDArray[np.float64], ...]:
        """Return weights and biases between an inner tensor and its inputs as real numbers, in the file's layout."""
        ...


def dequantised(
    stored: npt.NDArray[np.generic], scale: npt.NDArray[np.generic], zero_point: npt.NDArray[np.generic], axis: int
) -> npt.NDArray[np.float64]:
    """Compute scale * (stored - zero_point) in float64, with one scale or one per index along `axis`."""
    shape = [-1 if place == axis % max(1, stored.ndim) and scale.size > 1 else 1 for place in range(stored.ndim)]
    steps = stored.astype(np.float64) - zero_point.astype(np.float64).reshape(shape)
    return np.asarray(steps * scale.astype(np.float64).reshape(shape))
