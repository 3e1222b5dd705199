"""Prefixes: a model file cut at an inner tensor, so that any runtime shows what it computes up to there.

A file here does it for the format of its name. Contract: `Cutter`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from edgecnn import formats, model_files, plugins
from edgecnn.errors import EdgecnnError, ModelFileError, UsageError, nearest
from edgecnn.opening import opening


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
    """What a file of this folder provides."""

    def tensors(self, data: bytes) -> tuple[Inner, ...]:
        """What a file stores of what depends on its input, in execution order."""
        ...

    def prefix(self, data: bytes, name: str) -> bytes:
        """The file that ends at a tensor. Raises KeyError if no operator writes one of that name."""
        ...

    def constants(self, data: bytes, inner: Inner) -> tuple[npt.NDArray[np.float64], ...]:
        """Weights and biases between an inner tensor and its inputs, as real numbers, in the file's layout."""
        ...


def get(format_name: str) -> Cutter:
    """What cuts files of a format; a UsageError lists the formats that can be cut."""
    return cast(Cutter, plugins.load("prefixes", format_name))


def can_cut(path: Path) -> bool:
    """Whether there is a cutter for the file's format."""
    return path.suffix in {formats.get(name).SUFFIX for name in plugins.names("prefixes")}


def tensors(path: Path) -> tuple[Inner, ...]:
    """The inner tensors of a model file, in execution order, the output last or among the last.

    Raises ModelFileError if the file cannot be read.
    """
    cutter, data = _read(path)
    try:
        with opening(path):
            return cutter.tensors(data)
    except Exception as error:  # a broken file makes a parser raise anything
        raise _unreadable(path, error) from error


def prefix(path: Path, name: str) -> bytes:
    """A valid file of the same format, with the same input, that puts out the inner tensor `name` alone.

    The operators that `name` needs stay as they are, so a runtime fuses them as it does in the whole file, up
    to the last. A float tensor between an ONNX operator and its QuantizeLinear can be asked for as well: the
    prefix then computes it in float, which the whole file never does.

    Raises UsageError if no operator writes a tensor of that name, ModelFileError if the file cannot be read.
    """
    cutter, data = _read(path)
    try:
        with opening(path):
            return cutter.prefix(data, name)
    except KeyError as error:
        known: Sequence[str] = [inner.name for inner in tensors(path)]
        raise UsageError(f"{path} has no inner tensor {name!r}.", nearest(name, known)) from error
    except Exception as error:
        raise _unreadable(path, error) from error


def constants(path: Path, inner: Inner) -> tuple[npt.NDArray[np.float64], ...]:
    """What was learnt and stands between an inner tensor and its inputs: weights, biases, in the file's layout.

    Real numbers: what is stored as int8 or int32 is multiplied out by its scales. Scales, shapes and the like are
    left out. Raises ModelFileError if the file cannot be read.
    """
    cutter, data = _read(path)
    try:
        with opening(path):
            return cutter.constants(data, inner)
    except Exception as error:
        raise _unreadable(path, error) from error


def dequantised(
    stored: npt.NDArray[np.generic], scale: npt.NDArray[np.generic], zero_point: npt.NDArray[np.generic], axis: int
) -> npt.NDArray[np.float64]:
    """scale * (stored - zero_point) in float64, the two of one value each or one for each index along `axis`."""
    shape = [-1 if place == axis % max(1, stored.ndim) and scale.size > 1 else 1 for place in range(stored.ndim)]
    steps = stored.astype(np.float64) - zero_point.astype(np.float64).reshape(shape)
    return np.asarray(steps * scale.astype(np.float64).reshape(shape))


def _read(path: Path) -> tuple[Cutter, bytes]:
    return get(formats.of(path)), model_files.whole(path)


def _unreadable(path: Path, error: Exception) -> ModelFileError:
    if isinstance(error, EdgecnnError):
        return ModelFileError(f"{path} cannot be read: {error.sentence}", error.hint)
    reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
    return ModelFileError(f"{path} cannot be read: {reason}.", "export it again")
