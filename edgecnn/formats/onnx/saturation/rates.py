"""How often the sums of two products pass 16 bits with pictures: counted in the file that cuts none of them off."""

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
"""Sums that are computed at once."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """One layer's sums of two products, over all pictures."""

    name: str
    passed: int
    """Of them, those that int16 does not hold."""
    sums: int


def write_exact(path: Path, target: Path) -> None:
    """Write a file that computes on every CPU what `path` computes where no sum is cut off.

    It is ONNX Runtime's own graph of that file, its weights uint8. Raises ModelFileError or MissingPackage.
    """
    import onnx

    model = fused.read(path)
    kernels.unsign(model)
    onnx.save(model, target)


def count(path: Path, inputs: Sequence[npt.NDArray[Any]]) -> tuple[Rate, ...]:
    """The rate of every layer in which some input passes 16 bits, over input tensors as the file takes them.

    Raises ModelFileError or MissingPackage.
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
    """What each of the layers reads, for one input after the other, in the exact version of a fused graph."""
    import onnx

    if not exposed:
        return
    exact = onnx.ModelProto()
    exact.CopyFrom(model)
    kernels.unsign(exact)
    names = [kernel.node.input[kernel.places.x] for kernel in exposed]
    entries = {value.name for value in exact.graph.input}
    outcome = onnx.ValueInfoProto()
    outcome.CopyFrom(exact.graph.output[0])  # a graph puts something out, though the only layer read the input
    del exact.graph.output[:]
    inner = [name for name in dict.fromkeys(names) if name not in entries]
    exact.graph.output.extend([*(onnx.ValueInfoProto(name=name) for name in inner), outcome])
    session = fused.session(exact.SerializeToString())
    entry = session.get_inputs()[0].name
    for x in inputs:
        values = {entry: x, **dict(zip([*inner, outcome.name], session.run(None, {entry: x}), strict=True))}
        yield [values[name] for name in names]


def _count(kernel: Kernel, x: npt.NDArray[Any], model: Any) -> npt.NDArray[np.int64]:
    """(sums that pass 16 bits, all sums) of one layer and one input."""
    if kernel.operator == "DynamicQuantizeMatMul":
        x = _dynamically_quantised(x)
    weights = pairs.of(kernel.rows)  # (K, pairs, 2)
    total = np.zeros(2, np.int64)
    for rows, channels in operands.of(kernel, x, model):
        held = pairs.of(rows)  # (M, pairs, 2)
        total[1] += len(held) * len(channels) * held.shape[1]
        channel, place = np.nonzero(pairs.can_pass(weights[channels]))
        step = max(1, CHUNK // max(1, len(channel)))
        for start in range(0, len(held), step):
            sums = (held[start : start + step, place] * weights[channels][channel, place]).sum(-1)  # (M, candidates)
            total[0] += int(((sums > pairs.INT16.max) | (sums < pairs.INT16.min)).sum())
    return total


def _dynamically_quantised(x: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """As ONNX defines DynamicQuantizeLinear."""
    low, high = min(0.0, float(x.min())), max(0.0, float(x.max()))
    scale = np.float32((high - low) / 255) or np.float32(1)
    zero_point = np.clip(np.rint(-low / scale), 0, 255)
    return np.asarray(np.clip(np.rint(x / scale) + zero_point, 0, 255).astype(np.uint8))
