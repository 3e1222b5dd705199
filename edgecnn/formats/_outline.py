"""The outline of a model file that the doctor examines, the same for every format and maker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class OutlineOperator:
    """An operator that runs; those that a runtime folds away when it loads the file are left out."""

    name: str
    kind: str
    """The format's name for it, such as CONV_2D or Conv."""
    reads: tuple[str, ...]
    """Names of the activations it reads."""
    writes: tuple[str, ...]
    is_float: bool
    is_coder: bool
    """Whether it quantises or dequantises an activation as an operator of its own."""


@dataclass(frozen=True, kw_only=True)
class Depthwise:
    """The int8 weights of a depthwise convolution."""

    name: str
    scales: int
    """How many scales: 1 for the whole tensor, or one per channel."""
    largest: tuple[int, ...]
    """For each channel, the largest magnitude of its stored weights."""


@dataclass(frozen=True, kw_only=True)
class Outline:
    """The parts of a model file that the doctor's checks of `file` examine."""

    operators: tuple[OutlineOperator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dynamic: tuple[str, ...]
    """Every size that is not fixed, such as "input x, dimension 0 (batch)"."""
    outside_bytes: int
    """Bytes of weights that lie behind the flatbuffer, or in other files."""
    outside_files: tuple[str, ...]
    """Names of those files; () if the weights lie in the model file."""
    foreign: tuple[str, ...]
    """Operators from outside the format: custom ones, TensorFlow's, other domains'."""
    depthwise: tuple[Depthwise, ...]
    opset: int | None = None
    """The opset of an ONNX file."""
    ir_version: int | None = None
    is_stand_in: bool = False
    """Its weights are constant fills in place of learnt values: a file to test a runtime with."""

    @property
    def transposes(self) -> tuple[OutlineOperator, ...]:
        return tuple(operator for operator in self.operators if operator.kind.lower() == "transpose")

    @property
    def coders(self) -> tuple[OutlineOperator, ...]:
        return tuple(operator for operator in self.operators if operator.is_coder)

    def unread(self) -> tuple[str, ...]:
        """List the inputs that no operator reads, and values that are computed but neither read nor output."""
        read = {name for operator in self.operators for name in operator.reads} | set(self.outputs)
        idle = [
            operator.writes[0] for operator in self.operators if operator.writes and read.isdisjoint(operator.writes)
        ]
        return tuple([name for name in self.inputs if name not in read] + idle)

    def islands(self) -> tuple[tuple[OutlineOperator, ...], ...]:
        """Group float operators that feed each other, keeping their order."""
        groups: list[list[OutlineOperator]] = []
        for operator in (operator for operator in self.operators if operator.is_float):
            touching = [group for group in groups if _touch(operator, group)]
            groups = [group for group in groups if group not in touching]
            groups.append([*(member for group in touching for member in group), operator])
        return tuple(tuple(group) for group in groups)


def _touch(operator: OutlineOperator, group: Sequence[OutlineOperator]) -> bool:
    values = {*operator.reads, *operator.writes}
    return any(not values.isdisjoint((*member.reads, *member.writes)) for member in group)
