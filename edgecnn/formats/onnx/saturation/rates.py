"""Count how often sums of two products exceed 16 bits on pictures, in an equivalent file that never saturates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.formats.onnx.saturation import fused, kernels, operands, pairs
from edgecnn.formats.onnx.saturation.kernels import Kernel

CHUNK = 1 << 22
"""How many sums are computed at once."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """The sums of two products of one layer over all pictures."""

    name: str
    passed: int
    """How many of the sums int16 does not hold."""
    sums: int


def write_exact(path: Path, target: Path) -> None:
    """Write a file that computes on every CPU what `path` computes where no sum saturates.

    It is ONNX Runtime's own graph of that file with uint8 weights.

    Raises:
        ModelFileError: ONNX Runtime refuses the file.
        MissingPackage: ONNX Runtime is not installed.
    """
    import onnx

    model = fused.read(path)
    kernels.unsign(model)
    onnx.save(model, target)


def count(path: Path, inputs: Sequence[npt.NDArray[Any]]) -> tuple[Rate, ...]:
    """Count the sums of every layer in which some input exceeds 16 bits.

    Args:
        path: The ONNX file.
        inputs: Input tensors, as the file takes them.

    Raises:
        ModelFileError: ONNX Runtime refuses the file.
        MissingPackage: ONNX Runtime is not installed.
    """
    model = fused.read(path)
    exposed = [kernel for kernel in kernels.read(model) if kernel.adds_pairs and pairs.passing(kernel.rows).any()]
    totals = {kernel.name: np.zeros(2, np.int64) for kernel in exposed}
    for activations in _activations(model, exposed, inputs):
        for kernel, x in zip(exposed, activations, strict=True):
            totals[kernel.name] += _count(kernel, x, model)
    return tuple(Rate(name=name, passed=int(passed), sums=int(sums)) for name, (passed, sums) in totals.items())


def _activations(
    model: Any, exposed: Sequence[Kernel], inputs: Sequence[npt.NDArray[Any]]
) -> Iterator[list[npt.NDArray[Any]]]:
    """Yield what each layer reads, input by input, computed in the exact version of the graph."""
    import onnx

    if not exposed:
        return
    exact = onnx.ModelProto()
    exact.CopyFrom(model)
    kernels.unsign(exact)
    names = [kernel.node.input[kernel.places.x] for kernel in exposed]
    entries = {value.name for value in exact.graph.input}
    outcome = onnx.ValueInfoProto()
    outcome.CopyFrom(exact.graph.output[0])  # a graph needs an output even if the only layer reads the input
    del exact.graph.output[:]
    inner = [name for name in dict.fromkeys(names) if name not in entries]
    exact.graph.output.extend([*(onnx.ValueInfoProto(name=name) for name in inner), outcome])
    session = fused.session(exact.SerializeToString())
    entry = session.get_inputs()[0].name
    for x in inputs:
        values = {entry: x, **dict(zip([*inner, outcome.name], session.run(None, {entry: x}), strict=True))}
        yield [values[name] for name in names]


def _count(kernel: Kernel, x: npt.NDArray[Any], model: Any) -> npt.NDArray[np.int64]:
    """Return (sums that exceed 16 bits, all sums) of one layer and one input."""
    if kernel.operator == "DynamicQuantizeMatMul":
        x = _dynamically_quantised(x)
    weights = pairs.paired(kernel.rows)  # (K, pairs, 2)
    total = np.zeros(2, np.int64)
    for rows, channels in operands.rows(kernel, x, model):
        inputs = pairs.paired(rows)  # (M, pairs, 2)
        total[1] += len(inputs) * len(channels) * inputs.shape[1]
        channel, place = np.nonzero(pairs.can_pass(weights[channels]))
        step = max(1, CHUNK // max(1, len(channel)))
        for start in range(0, len(inputs), step):
            sums = (inputs[start : start + step, place] * weights[channels][channel, place]).sum(-1)  # (M, candidates)
            total[0] += int(((sums > pairs.INT16.max) | (sums < pairs.INT16.min)).sum())
    return total


def _dynamically_quantised(x: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Quantise as ONNX defines DynamicQuantizeLinear."""
    low, high = min(0.0, float(x.min())), max(0.0, float(x.max()))
    scale = np.float32((high - low) / 255) or np.float32(1)
    zero_point = np.clip(np.rint(-low / scale), 0, 255)
    return np.asarray(np.clip(np.rint(x / scale) + zero_point, 0, 255).astype(np.uint8))
