"""Protocol buffers as they lie in a file, read without the schema's own package: a board has none."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types. Groups, 3 and 4, are of no format read here."""
MOST_VARINT_BYTES = 10

Data = bytes | mmap.mmap


class NotWire(ValueError):
    """These bytes are no message."""


class CutOff(NotWire):
    """A message ends before its last field does: field `number`, which would end at `needed`."""

    def __init__(self, number: int, needed: int) -> None:
        super().__init__(f"field {number} of a message ends at byte {needed:,}, beyond the message")
        self.number = number
        self.needed = needed


class Field(NamedTuple):
    """One field of a message."""

    number: int
    wire_type: int
    begin: int
    """Of its tag; the content lies from `start` to `end`."""
    start: int
    end: int
    value: int
    """Of a VARINT; 0 for other types."""


def fields(data: Data, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """The fields of the message that lies from `start` to `end`, in order. Raises NotWire or CutOff."""
    place, end = start, len(data) if end is None else end
    while place < end:
        begin = place
        tag, place = _varint(data, place, end, 0)
        number, wire_type, value, first = tag >> 3, tag & 7, 0, place
        if wire_type == VARINT:
            value, place = _varint(data, place, end, number)
        elif wire_type == BYTES:
            length, first = _varint(data, place, end, number)
            place = first + length
        elif wire_type in (FIXED64, FIXED32):
            place += 8 if wire_type == FIXED64 else 4
        else:
            raise NotWire(f"wire type {wire_type}")
        if number == 0:
            raise NotWire("a field has the number 0")
        if place > end:
            raise CutOff(number, place)
        yield Field(number, wire_type, begin, first, place, value)


def nested(number: int, content: bytes) -> bytes:
    """A field of BYTES, as it is written."""
    return b"".join((_written(number << 3 | BYTES), _written(len(content)), content))


def _varint(data: Data, place: int, end: int, number: int) -> tuple[int, int]:
    """(value, the place behind it) of what belongs to field `number`; a tag, which says the number, to 0."""
    value = 0
    for count in range(MOST_VARINT_BYTES):
        if place + count >= end:
            raise CutOff(number, place + count + 1)
        byte = data[place + count]
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, place + count + 1
    raise NotWire("a number has more than 64 bits")


def _written(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)
