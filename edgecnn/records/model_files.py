"""A model as a set of files: an ONNX file may keep its weights in others, beside it or in folders below.

It names each by its path relative to its own folder. They are found in the bytes alone, since a board has no onnx
package. A model without such files is one file, and its digest is that file's.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgecnn.common import files, magic, wire
from edgecnn.errors import ModelFileError

# Fields of ONNX's messages that hold messages with tensors in them (onnx.proto).
NESTED: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
# Fields of a TensorProto.
DIMS, DATA_TYPE, RAW_DATA, EXTERNAL_DATA, DATA_LOCATION = 1, 2, 9, 13, 14
EXTERNAL = 1
"""Value of DATA_LOCATION for a tensor in another file."""
BITS = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16,
    17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip
"""Bits per value by DATA_TYPE; strings and complex structures have none."""
DEEPEST = 100
"""The deepest nesting of messages that protocol buffer readers accept."""
MOST_PARTS = 100_000
"""The most nodes, attributes and graphs together."""
AGAIN = "copy it there again, as whole as the model was saved"


@dataclass(frozen=True, kw_only=True)
class Outside:
    """The place of a tensor's bytes outside the model file."""

    location: str
    offset: int
    length: int | None
    """None: as many bytes as its shape needs."""
    needed: int | None
    """Bytes by its shape and type; None for a type without a fixed size."""

    @property
    def end(self) -> int:
        """The least size the other file must have."""
        return self.offset + max(self.length or 0, self.needed or 0)


def files_beside(path: Path) -> tuple[str, ...]:
    """List the files that a model reads besides itself, relative to its folder, sorted.

    Raises:
        ModelFileError: One is missing, lies outside the model's folder, or is too short.
    """
    with magic.view(path) as data:
        if not magic.is_onnx(data):
            return ()
        outside = _tensors_outside(path, data)
    sizes: dict[str, int] = {}
    for tensor in outside:
        sizes[tensor.location] = max(sizes.get(tensor.location, 0), tensor.end)
    for location, size in sizes.items():
        _require(path, location, size)
    return tuple(sorted(sizes))


def size(path: Path) -> int:
    """Return the size in bytes of a model, all files together.

    Raises:
        ModelFileError: See `files_beside`.
    """
    return path.stat().st_size + sum((path.parent / place).stat().st_size for place in files_beside(path))


def sha256(path: Path) -> str:
    """Return the digest of a model: of its file, or, if there are more, of all their digests.

    Raises:
        ModelFileError: See `files_beside`.
    """
    own, others = files.sha256(path), files_beside(path)
    if not others:
        return own
    digests = (own, *(files.sha256(path.parent / place) for place in others))
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def whole(path: Path) -> bytes:
    """Return the model as the bytes of one file, with the weights of its other files inside.

    Raises:
        ModelFileError: See `files_beside`.
    """
    data = path.read_bytes()
    others = files_beside(path)
    if not others:
        return data
    contents = {place: (path.parent / place).read_bytes() for place in others}
    return _with_tensors_inside(data, 0, len(data), "model", contents)


def _require(path: Path, location: str, size: int) -> None:
    place = PurePosixPath(location)
    named = f"{path} keeps weights in {location!r}"
    if place.is_absolute() or ".." in place.parts or not place.parts:
        raise ModelFileError(f"{named}, which is not below its own folder.", "save it with its weights beside it")
    target = path.parent / place
    if not target.is_file():
        raise ModelFileError(
            f"{named}, and there is no {target}.", f"copy {location} there too: a model is all of its files"
        )
    # Like ONNX Runtime, follow a link only if it stays in the model's own folder.
    if not target.resolve().is_relative_to(path.resolve().parent):
        raise ModelFileError(f"{named}, which is a link out of its folder.", f"copy the file itself to {target}")
    if (there := target.stat().st_size) < size:
        raise ModelFileError(f"{target} has {there:,} bytes, and {path.name} reads {size:,} of it.", AGAIN)


def _tensors_outside(path: Path, data: wire.Data) -> list[Outside]:
    try:
        tensors = [_of_tensor(data, *place) for place in _tensors(data, 0, len(data), "model")]
    except ModelFileError as error:
        raise ModelFileError(f"{path} is too large to be read: {error.sentence}") from error
    except ValueError as error:
        raise ModelFileError(f"{path} is a damaged ONNX file: {error}.", "copy or download it again") from error
    return [tensor for tensor in tensors if tensor is not None]


def _tensors(data: wire.Data, start: int, end: int, kind: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the tensors in a message, including those of inner graphs, in no particular order."""
    waiting, parts = [(start, end, kind, 0)], 1
    while waiting:
        start, end, kind, depth = waiting.pop()
        for field in wire.fields(data, start, end):
            inner = NESTED[kind].get(field.number)
            if inner == "tensor":
                yield field.start, field.end
            elif inner is not None:
                parts += 1
                if depth == DEEPEST or parts > MOST_PARTS:
                    raise ModelFileError(f"it has more than {MOST_PARTS:,} parts, or {DEEPEST} within each other.")
                waiting.append((field.start, field.end, inner, depth + 1))


def _of_tensor(data: wire.Data, start: int, end: int) -> Outside | None:
    """Return where a tensor's bytes lie; None if they are in the tensor itself."""
    dims: list[int] = []
    entries: dict[str, str] = {}
    is_outside, data_type = False, 0
    for field in wire.fields(data, start, end):
        if field.number == DIMS and field.wire_type == wire.VARINT:
            dims.append(field.value)
        elif field.number == DATA_TYPE:
            data_type = field.value
        elif field.number == DATA_LOCATION:
            is_outside = field.value == EXTERNAL
        elif field.number == EXTERNAL_DATA:
            entry = {inner.number: data[inner.start : inner.end] for inner in wire.fields(data, field.start, field.end)}
            entries[entry.get(1, b"").decode()] = entry.get(2, b"").decode()
    if not is_outside:
        return None
    bits = BITS.get(data_type)
    return Outside(
        location=entries.get("location", ""),
        offset=_number(entries, "offset") or 0,
        length=_number(entries, "length"),
        needed=None if bits is None else -(-math.prod(dims) * bits // 8),
    )


def _number(entries: dict[str, str], key: str) -> int | None:
    text = entries.get(key, "")
    if text and not text.isdecimal():
        raise ValueError(f"a tensor outside has the {key} {text!r}")
    return int(text) if text else None


def _with_tensors_inside(data: bytes, start: int, end: int, kind: str, contents: dict[str, bytes]) -> bytes:
    """Return a message with the bytes of its tensors inside."""
    parts = []
    for field in wire.fields(data, start, end):
        inner = NESTED[kind].get(field.number)
        if inner is None:
            parts.append(data[field.begin : field.end])
        elif inner == "tensor":
            parts.append(wire.nested(field.number, _tensor_inside(data, field.start, field.end, contents)))
        else:
            parts.append(wire.nested(field.number, _with_tensors_inside(data, field.start, field.end, inner, contents)))
    return b"".join(parts)


def _tensor_inside(data: bytes, start: int, end: int, contents: dict[str, bytes]) -> bytes:
    outside = _of_tensor(data, start, end)
    if outside is None:
        return data[start:end]
    length = outside.length if outside.length is not None else outside.needed
    source = contents[outside.location]
    raw = source[outside.offset : len(source) if length is None else outside.offset + length]
    own = (EXTERNAL_DATA, DATA_LOCATION, RAW_DATA)
    encoded = [data[field.begin : field.end] for field in wire.fields(data, start, end) if field.number not in own]
    return b"".join((*encoded, wire.nested(RAW_DATA, raw)))
