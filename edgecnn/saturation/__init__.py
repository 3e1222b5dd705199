"""Which layers of an ONNX file have sums of two products that pass 16 bits: on some CPUs they are cut off.

ONNX Runtime on x86-64 with AVX2 or AVX-512 and no VNNI (`isa.saturates`) multiplies uint8 activations by int8
weights with `vpmaddubsw`, which adds the products of two neighbouring inputs in 16 bits and saturates. Every
other pairing of types and every other CPU widens each product first.

kernels.py    what ONNX Runtime makes of a file, whose products are added so, and the same file without
pairs.py      the rule: the neighbours, and the channels in which some input passes 16 bits
rates.py      how often that happens with pictures
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn import isa
from edgecnn.environment import Environment
from edgecnn.errors import EdgecnnError
from edgecnn.saturation import kernels, pairs
from edgecnn.saturation.kernels import Kernel


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
    held = kernels.read(kernels.fused(path))
    paired = [kernel for kernel in held if kernel.adds_pairs]
    layers = [_layer(kernel) for kernel in paired]
    return Exposure(
        layers=tuple(layer for layer in layers if layer.channels),
        of=len(held),
        unsigned_by_signed=len(paired),
    )


def cause(path: Path, runtime: str, machine: Environment) -> str | None:
    """Why a file may answer otherwise on a machine, in one sentence; None if its sums are cut off nowhere there."""
    if runtime != "onnxruntime" or not isa.saturates(machine.arch, machine.features):
        return None
    try:
        layers = exposure(path).layers
    except EdgecnnError:  # a machine that lacks ONNX Runtime, or has one that refuses the file, can still ask a board
        return None
    return sentence(len(layers), machine) + f", or `edgecnn doctor {path}`." if layers else None


def sentence(layers: int, machine: Environment) -> str:
    """The cause without the full stop, for a file with so many layers."""
    counted = "1 layer" if layers == 1 else f"{layers} layers"
    return (
        f"It multiplies uint8 by int8, and this CPU ({isa.name(machine.arch, machine.features)}, no VNNI) cuts sums of "
        f"two products off at 16 bits in {counted}: export it again"
    )


def _layer(kernel: Kernel) -> Layer:
    channels = pairs.passing(kernel.rows)
    return Layer(
        name=kernel.name,
        operator=kernel.operator,
        channels=tuple(channel for channel, passes in enumerate(channels.tolist()) if passes),
        of=len(channels),
    )
