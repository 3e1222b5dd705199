"""The values between the operators of a model file, and what cuts the file at one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Inner:
    """One value that a runtime stores while it runs a graph, and the operator that writes it.

    In a QDQ graph of ONNX that is the 8-bit tensor behind an operator's QuantizeLinear: with an int8 kernel the
    float value in front of it never exists.
    """

    name: str
    operator: str
    """As the format calls it, such as CONV_2D or Conv."""
    shape: tuple[int, ...]
    """() where the file does not tell."""
    dtype: str
    scale: float | None
    zero_point: int | None
    inputs: tuple[str, ...]
    """Names of the values it is computed from; constants are left out."""


class Cutter(Protocol):
    """What a format has as its CUTTER."""

    def tensors(self, data: bytes) -> tuple[Inner, ...]:
        """What a file stores of what depends on its input, in execution order."""
        ...

    def prefix(self, data: bytes, name: str) -> bytes:
        """The file that ends at a tensor. Raises KeyError if no operator writes one of that name."""
        ...

    def constants(self, data: bytes, inner: Inner) -> tuple[npt.NDArray[np.float64], ...]:
        """Weights and biases between an inner tensor and its inputs, as real numbers, in the file's layout."""
        ...


def dequantised(
    stored: npt.NDArray[np.generic], scale: npt.NDArray[np.generic], zero_point: npt.NDArray[np.generic], axis: int
) -> npt.NDArray[np.float64]:
    """scale * (stored - zero_point) in float64, the two of one value each or one for each index along `axis`."""
    shape = [-1 if place == axis % max(1, stored.ndim) and scale.size > 1 else 1 for place in range(stored.ndim)]
    steps = stored.astype(np.float64) - zero_point.astype(np.float64).reshape(shape)
    return np.asarray(steps * scale.astype(np.float64).reshape(shape))
