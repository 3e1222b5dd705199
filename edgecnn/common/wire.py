"""A reader of protocol buffers that needs no schema and no package, as boards have none."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types; groups, 3 and 4, appear in no format read here."""
MOST_VARINT_BYTES = 10

Data = bytes | mmap.mmap


class NotWire(ValueError):
    """The bytes are not a protocol buffer message."""


class CutOff(NotWire):
    """A message ends inside its field `number`, which would end at the byte `needed`."""

    def __init__(self, number: int, needed: int) -> None:
        super().__init__(f"field {number} of a message ends at byte {needed:,}, beyond the message")
        self.number = number
        self.needed = needed


class WireField(NamedTuple):
    """One field of a message; its content lies from `start` to `end`."""

    number: int
    wire_type: int
    begin: int
    """Where the field's tag begins."""
    start: int
    end: int
    value: int
    """The number in a VARINT field; 0 for other types."""


def fields(data: Data, start: int = 0, end: int | None = None) -> Iterator[WireField]:
    """Yield the fields of the message between `start` and `end`, in order.

    Raises:
        CutOff: The message ends inside a field.
        NotWire: The bytes are no message.
    """
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
        yield WireField(number, wire_type, begin, first, place, value)


def nested(number: int, content: bytes) -> bytes:
    """Return a field of type BYTES, encoded."""
    return b"".join((_written(number << 3 | BYTES), _written(len(content)), content))


def _varint(data: Data, place: int, end: int, number: int) -> tuple[int, int]:
    """Decode a varint; return (its value, the position after it).

    Args:
        data: The message.
        place: Where the varint begins.
        end: Where the message ends.
        number: The field it belongs to, for CutOff; 0 for a tag.
    """
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
