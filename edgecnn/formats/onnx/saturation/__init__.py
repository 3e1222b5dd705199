"""Which layers of an ONNX file have sums of two products that pass 16 bits: on some CPUs they are cut off.

ONNX Runtime on x86-64 with AVX2 or AVX-512 and no VNNI (`isa.saturates`) multiplies uint8 activations by int8
weights with `vpmaddubsw`, which adds the products of two neighbouring inputs in 16 bits and saturates. Every
other pairing of types and every other CPU widens each product first.

fused.py      what ONNX Runtime makes of a file
kernels.py    its int8 operators, which of them add products so, and the same graph without those
operands.py   what such an operator multiplies, row by row
pairs.py      the rule: the neighbours, and the channels in which some input passes 16 bits
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
class Layer:
    """One layer whose products are added in 16 bits."""

    name: str
    operator: str
    """As ONNX Runtime runs it, such as QLinearConv."""
    channels: tuple[int, ...]
    """Output channels in which some input passes 16 bits."""
    of: int
    """All its output channels."""


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """What the weights of a file say."""

    layers: tuple[Layer, ...]
    """Those in which some input passes 16 bits."""
    of: int
    """All layers that multiply 8-bit integers."""
    unsigned_by_signed: int
    """Those of them that multiply uint8 by int8 and add two products at a time."""


def exposure(path: Path) -> Exposure:
    """Look at every layer of an ONNX file as ONNX Runtime runs it on x86-64, whatever machine this is.

    Raises ModelFileError if ONNX Runtime refuses the file, MissingPackage without it.
    """
    with reading(path):
        held = kernels.read(fused.read(path))
    paired = [kernel for kernel in held if kernel.adds_pairs]
    layers = [_layer(kernel) for kernel in paired]
    return Exposure(
        layers=tuple(layer for layer in layers if layer.channels),
        of=len(held),
        unsigned_by_signed=len(paired),
    )


def cause(path: Path, runtime: str, machine: Environment) -> str | None:
    """Why a file may answer otherwise on a machine, in one sentence; None if nothing is cut off there."""
    if runtime != "onnxruntime" or not isa.saturates(machine.arch, machine.features):
        return None
    try:
        layers = len(exposure(path).layers)
    except EdgecnnError:  # a machine without ONNX Runtime, or with one that refuses the file, can still ask a board
        return None
    if not layers:
        return None
    clause = isa.cut_off(machine.arch, machine.features, layers)
    return f"{path.name} multiplies uint8 by int8, and {clause}: export it again, or `edgecnn doctor {path}`."


def _layer(kernel: Kernel) -> Layer:
    channels = pairs.passing(kernel.rows)
    return Layer(
        name=kernel.name,
        operator=kernel.operator,
        channels=tuple(channel for channel, passes in enumerate(channels.tolist()) if passes),
        of=len(channels),
    )
