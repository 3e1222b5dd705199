"""Cuts a model file at an inner tensor; any runtime then shows what it computes up to there.

The work is done by the CUTTER of the file's format (`formats.Cutter`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn import formats
from edgecnn.errors import EdgecnnError, ModelFileError, UsageError, first_line, nearest
from edgecnn.formats import Cutter, Inner
from edgecnn.onboard.opening import opening
from edgecnn.records import model_files


def can_cut(path: Path) -> bool:
    """Return whether the file's format has a cutter."""
    return any(
        path.suffix == format_.SUFFIX and format_.CUTTER is not None for format_ in map(formats.get, formats.names())
    )


def tensors(path: Path) -> tuple[Inner, ...]:
    """Return the inner tensors of a model file in execution order, the output among the last.

    Raises:
        ModelFileError: If the file cannot be read.
    """
    cutter, data = _read(path)
    try:
        with opening(path):
            return cutter.tensors(data)
    except Exception as error:  # parsers raise anything on a broken file
        raise _unreadable(path, error) from error


def prefix(path: Path, name: str) -> bytes:
    """Return a valid file of the same format and input whose only output is the inner tensor `name`.

    The operators it needs are unchanged, so a runtime fuses them as in the whole file, except the last. The tensor may
    be a float one between an ONNX operator and its QuantizeLinear: the prefix then computes it in float, which the
    whole file never does.

    Raises:
        UsageError: If no operator writes a tensor of that name.
        ModelFileError: If the file cannot be read.
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
    """Return the weights and biases between an inner tensor and its inputs, in the file's layout.

    They are real numbers: int8 and int32 values are multiplied by their scales. Scales, shapes and the like are left
    out.

    Raises:
        ModelFileError: If the file cannot be read.
    """
    cutter, data = _read(path)
    try:
        with opening(path):
            return cutter.constants(data, inner)
    except Exception as error:
        raise _unreadable(path, error) from error


def _read(path: Path) -> tuple[Cutter, bytes]:
    name = formats.name_of(path)
    cutter = formats.get(name).CUTTER
    if cutter is None:
        raise UsageError(f"{path}: a file of the format {name} cannot be cut.", "name the ONNX or TFLite file it is of")
    return cutter, model_files.whole(path)


def _unreadable(path: Path, error: Exception) -> ModelFileError:
    if isinstance(error, EdgecnnError):
        return ModelFileError(f"{path} cannot be read: {error.sentence}", error.hint)
    return ModelFileError(f"{path} cannot be read: {first_line(error)}.", "export it again")
