"""TFLite flatbuffers as objects and back, with every buffer inside and aligned as the schema asks.

Buffers may also lie behind the flatbuffer, at an offset. TensorFlow Lite Micro and older readers take such buffers for
empty and compute garbage, so none are written here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import ModelFileError

IDENTIFIER = b"TFL3"
ALIGNMENT = 16
"""`force_align` of Buffer.data in the schema."""

MOST_OPERATORS = 20_000
"""The most operators of all graphs together; each graph counts as one more."""


def load(data: bytes) -> Any:
    """Unpack a file's bytes into a ModelT.

    Raises:
        ModelFileError: They are not a whole TFLite model.
    """
    from ai_edge_litert import schema_py_generated as schema

    if len(data) < 8 or data[4:8] != IDENTIFIER:
        raise ModelFileError("it lacks the identifier TFL3.", "is it complete, and a TFLite file?")
    try:
        return _load(data, schema)
    except (struct.error, ValueError) as error:  # flatbuffers reads beyond the end
        sentence = f"it is a damaged TFLite file, or a part of one: it points beyond its {len(data):,} bytes."
        raise ModelFileError(sentence, "download or copy it again") from error


def _load(data: bytes, schema: Any) -> Any:
    packed = schema.Model.GetRootAs(data, 0)
    room = len(data) // 4
    counts = [packed.BuffersLength(), packed.OperatorCodesLength(), packed.SubgraphsLength(), packed.MetadataLength()]
    operators = 0
    for place in range(min(packed.SubgraphsLength(), MOST_OPERATORS)):
        graph = packed.Subgraphs(place)
        operators += 1 + graph.OperatorsLength()
        counts += [graph.TensorsLength(), graph.OperatorsLength(), graph.InputsLength(), graph.OutputsLength()]
    if operators > MOST_OPERATORS:
        raise ModelFileError(f"it has more than {MOST_OPERATORS:,} operators.", "is it complete, and as it was made?")
    if max(counts) > room:
        raise ModelFileError("it counts more parts than it has bytes.", "download or copy it again")
    model = schema.ModelT.InitFromObj(packed)
    for buffer in model.buffers:
        if buffer.offset > 1:
            if buffer.offset + buffer.size > len(data):
                raise ModelFileError("a buffer lies beyond its end.", "download or copy it again")
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def dump(model: Any) -> bytes:
    """Pack a ModelT into bytes, which are equal for equal models."""
    import flatbuffers

    plain, model.buffers = model.buffers, [_AlignedBuffer(buffer.data) for buffer in model.buffers]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    model.buffers = plain
    return bytes(builder.Output())


@dataclass(frozen=True)
class _AlignedBuffer:
    """A buffer that packs with the schema's alignment; the generated code aligns to one byte only."""

    data: npt.NDArray[np.uint8] | None

    def Pack(self, builder: Any) -> int:  # noqa: N802 (the generated code calls it)
        from ai_edge_litert import schema_py_generated as schema

        vector = None
        if self.data is not None:
            payload = np.asarray(self.data, np.uint8).tobytes()
            builder.StartVector(1, len(payload), ALIGNMENT)
            builder.head -= len(payload)
            builder.Bytes[builder.head : builder.head + len(payload)] = payload
            builder.vectorNumElems = len(payload)
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        packed: int = schema.BufferEnd(builder)
        return packed


def text(name: bytes | None) -> str:
    """Decode a name, replacing what is not UTF-8."""
    return (name or b"").decode(errors="replace")


def operator_name(model: Any, operator: Any) -> str:
    """Return an operator's name, such as CONV_2D or that of a custom operator."""
    code = model.operatorCodes[operator.opcodeIndex]
    opcode = max(code.builtinCode, code.deprecatedBuiltinCode)
    name = _names("BuiltinOperator").get(opcode, f"OPERATOR_{opcode}")
    return text(code.customCode) if name == "CUSTOM" and code.customCode else name


def dtype_name(tensor: Any) -> str:
    """Return a tensor's type by NumPy's name, such as int8."""
    return _names("TensorType").get(tensor.type, f"TYPE_{tensor.type}").lower()


def constant(model: Any, tensor: Any) -> bool:
    """Return whether the file holds the tensor's values."""
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def values(model: Any, tensor: Any, dtype: npt.DTypeLike) -> npt.NDArray[Any] | None:
    """Return a constant's values, flat; None for an activation."""
    data = model.buffers[tensor.buffer].data
    return None if data is None else np.frombuffer(np.asarray(data, np.uint8).tobytes(), dtype)


def shape(tensor: Any) -> tuple[int, ...]:
    """Return a tensor's shape; a size that is not fixed counts as 1."""
    return tuple(max(1, int(size)) for size in (tensor.shape if tensor.shape is not None else ()))


def drop_unused_tensors(graph: Any) -> None:
    """Remove all tensors that no operator reads or writes, and renumber the others."""
    lists = [graph.inputs, graph.outputs, *(indices for o in graph.operators for indices in (o.inputs, o.outputs))]
    used = sorted({int(index) for indices in lists for index in indices if index >= 0})
    place = {old: new for new, old in enumerate(used)} | {-1: -1}  # -1 is an omitted input

    def moved(indices: Any) -> Any:
        return np.array([place[int(index)] for index in indices], np.int32)

    graph.tensors = [graph.tensors[old] for old in used]
    graph.inputs, graph.outputs = moved(graph.inputs), moved(graph.outputs)
    for operator in graph.operators:
        operator.inputs, operator.outputs = moved(operator.inputs), moved(operator.outputs)


def _names(enumeration: str) -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    members = vars(getattr(schema, enumeration)).items()
    return {value: name for name, value in members if isinstance(value, int)}
