"""A model file as the doctor looks at it, whatever its format and whoever made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 4
"""Names in a sentence before the rest is counted."""


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator that runs; what a runtime folds away when it loads the file is left out."""

    name: str
    kind: str
    """As the format calls it, such as CONV_2D or Conv."""
    reads: tuple[str, ...]
    """Activations alone."""
    writes: tuple[str, ...]
    is_float: bool
    is_coder: bool
    """It quantises or dequantises an activation as an operator of its own."""


@dataclass(frozen=True, kw_only=True)
class Depthwise:
    """The int8 weights of one depthwise convolution."""

    name: str
    scales: int
    """1 for the whole tensor, or one a channel."""
    largest: tuple[int, ...]
    """Of each channel, the largest magnitude among its weights as they are stored."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What the checks of `file` look at."""

    operators: tuple[Operator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dynamic: tuple[str, ...]
    """Every size that is not fixed, as in "input x, dimension 0 (batch)"."""
    outside_bytes: int
    """Weights that lie behind the flatbuffer, or in files of their own."""
    outside_files: tuple[str, ...]
    """Names of these files; () if they lie in the model file."""
    foreign: tuple[str, ...]
    """Operators that are not the format's own: custom ones, TensorFlow's, other domains'."""
    depthwise: tuple[Depthwise, ...]
    opset: int | None = None
    """Of an ONNX file."""
    ir_version: int | None = None
    is_stand_in: bool = False
    """Its weights are filled with one number each, in place of learnt ones: a file to test a runtime with."""

    @property
    def transposes(self) -> tuple[Operator, ...]:
        return tuple(one for one in self.operators if one.kind.lower() == "transpose")

    @property
    def coders(self) -> tuple[Operator, ...]:
        return tuple(one for one in self.operators if one.is_coder)

    def unread(self) -> tuple[str, ...]:
        """Inputs no operator reads, and values that are computed and neither read nor put out."""
        read = {name for one in self.operators for name in one.reads} | set(self.outputs)
        idle = [one.writes[0] for one in self.operators if one.writes and read.isdisjoint(one.writes)]
        return tuple([name for name in self.inputs if name not in read] + idle)

    def islands(self) -> tuple[tuple[Operator, ...], ...]:
        """Float operators that feed each other, each group by itself, in their order."""
        groups: list[list[Operator]] = []
        for one in (one for one in self.operators if one.is_float):
            touching = [group for group in groups if _touch(one, group)]
            groups = [group for group in groups if group not in touching]
            groups.append([*(member for group in touching for member in group), one])
        return tuple(tuple(group) for group in groups)


def _touch(one: Operator, group: Sequence[Operator]) -> bool:
    values = {*one.reads, *one.writes}
    return any(not values.isdisjoint((*member.reads, *member.writes)) for member in group)


def named(operators: Sequence[Operator]) -> str:
    """The first few by name, and how many more there are."""
    return listed([one.name for one in operators])


def listed(words: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    rest = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + rest
