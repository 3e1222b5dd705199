"""Prefixes: a model file cut at an inner tensor, so that any runtime shows what it computes up to there.

A format's CUTTER does it (`formats.Cutter`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn import formats
from edgecnn.errors import EdgecnnError, ModelFileError, UsageError, nearest
from edgecnn.formats import Cutter, Inner
from edgecnn.onboard.opening import opening
from edgecnn.records import model_files


def can_cut(path: Path) -> bool:
    """Whether there is a cutter for the file's format."""
    return any(path.suffix == each.SUFFIX and each.CUTTER is not None for each in map(formats.get, formats.names()))


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


def _read(path: Path) -> tuple[Cutter, bytes]:
    name = formats.of(path)
    cutter = formats.get(name).CUTTER
    if cutter is None:
        raise UsageError(f"{path}: a file of the format {name} cannot be cut.", "name the ONNX or TFLite file it is of")
    return cutter, model_files.whole(path)


def _unreadable(path: Path, error: Exception) -> ModelFileError:
    if isinstance(error, EdgecnnError):
        return ModelFileError(f"{path} cannot be read: {error.sentence}", error.hint)
    reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
    return ModelFileError(f"{path} cannot be read: {reason}.", "export it again")
