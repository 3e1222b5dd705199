"""Layers of an ONNX file whose sums of two products exceed 16 bits, and so saturate on some CPUs.

On x86-64 with AVX2 or AVX-512 and no VNNI (`isa.saturates`), ONNX Runtime multiplies uint8 activations by int8 weights
with `vpmaddubsw`, which adds the products of two neighbouring inputs in 16 bits and saturates. All other pairs of types
and all other CPUs widen each product first.

    fused.py      the graph that ONNX Runtime makes of a file
    kernels.py    its int8 operators, which of them add products in pairs, and the same graph without those
    operands.py   the rows that such an operator multiplies
    pairs.py      neighbouring weights, and the channels in which some input exceeds 16 bits
    rates.py      how often that happens with pictures
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import EdgecnnError
from edgecnn.formats.onnx.saturation import fused, kernels, pairs
from edgecnn.formats.onnx.saturation.kernels import Kernel
from edgecnn.onboard.opening import reading
from edgecnn.records import isa
from edgecnn.records.environment import Environment


@dataclass(frozen=True, kw_only=True)
class IntegerLayer:
    """One layer whose products are added in 16 bits."""

    name: str
    operator: str
    """ONNX Runtime's name for it, such as QLinearConv."""
    channels: tuple[int, ...]
    """Output channels in which some input exceeds 16 bits."""
    of: int
    """How many output channels it has."""


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """The layers of a file that could saturate, judging by the weights."""

    layers: tuple[IntegerLayer, ...]
    """Layers in which some input exceeds 16 bits."""
    of: int
    """How many layers multiply 8-bit integers."""
    unsigned_by_signed: int
    """How many of them multiply uint8 by int8 and add two products at a time."""


def exposure(path: Path) -> Exposure:
    """Examine every layer of an ONNX file as ONNX Runtime runs it on x86-64, whatever this machine is.

    Raises:
        ModelFileError: ONNX Runtime refuses the file.
        MissingPackage: ONNX Runtime is not installed.
    """
    with reading(path):
        multiplying = kernels.read(fused.read(path))
    paired = [kernel for kernel in multiplying if kernel.adds_pairs]
    layers = [_layer(kernel) for kernel in paired]
    return Exposure(
        layers=tuple(layer for layer in layers if layer.channels),
        of=len(multiplying),
        unsigned_by_signed=len(paired),
    )


def cause(path: Path, runtime: str, machine: Environment) -> str | None:
    """Say in one sentence why a file may answer differently on a machine; None if nothing saturates there."""
    if runtime != "onnxruntime" or not isa.saturates(machine.arch, machine.features):
        return None
    try:
        layers = len(exposure(path).layers)
    except EdgecnnError:  # without an ONNX Runtime that reads the file, a board can still be asked
        return None
    if not layers:
        return None
    clause = isa.cut_off(machine.arch, machine.features, layers)
    return f"{path.name} multiplies uint8 by int8, and {clause}: export it again, or `edgecnn doctor {path}`."


def _layer(kernel: Kernel) -> IntegerLayer:
    channels = pairs.passing(kernel.rows)
    return IntegerLayer(
        name=kernel.name,
        operator=kernel.operator,
        channels=tuple(channel for channel, passes in enumerate(channels.tolist()) if passes),
        of=len(channels),
    )
