"""Damage, the same for the same seed: bytes as bits rot and copies break, text as people and programs get it wrong."""

from __future__ import annotations

import random
import re
import struct

EXTREME_NUMBERS = (0, 1, 2, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
EXTREME_WORDS = (
    "0", "-1", "1e999", "-1e308", "NaN", "Infinity", "99999999999999999999", "1048576", "2147483648", "null", "true",
    "[]", "{}", '""', '"\\u0000"', '"../../x"', '"\\u001b[2J"', '"$^$"', '"<script>"', "[[[[[[[[1]]]]]]]]",
)  # fmt: skip
DEEP = 20_000
"""How many brackets one kind of damage nests."""


def bytes_of(data: bytes, rng: random.Random) -> bytes:
    """One to four of: flipped bits, bytes overwritten, cut, doubled, inserted, a number made extreme, an early end."""
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if not damaged:
            break
        rng.choice((_flip, _flip, _flip, _overwrite, _cut, _double, _insert, _number, _number, _number, _end))(
            damaged, rng
        )
    return bytes(damaged)


def text_of(data: bytes, rng: random.Random) -> bytes:
    """A value replaced by an extreme one, a line dropped or doubled, brackets without end, or damaged bytes."""
    kind = rng.random()
    if kind < 0.25:
        return bytes_of(data, rng)
    text = data.decode("utf-8", errors="replace")
    if kind < 0.75:
        values = list(re.finditer(r'-?\d+(\.\d+)?(e-?\d+)?|"[^"\n]*"|true|false|null', text))
        for match in sorted(rng.sample(values, min(len(values), rng.choice((1, 1, 2)))), key=lambda m: -m.start()):
            text = text[: match.start()] + rng.choice(EXTREME_WORDS) + text[match.end() :]
    elif kind < 0.95:
        lines = text.splitlines(keepends=True)
        place = rng.randrange(len(lines))
        lines[place : place + 1] = rng.choice(([], [lines[place]] * 2, [lines[place]] * 200, [lines[place][::-1]]))
        text = "".join(lines)
    else:
        text = rng.choice(("[" * DEEP, '{"a":' * DEEP, text + "x = " + "[" * DEEP, "[]", "null", "", " " * 1_000_000))
    return text.encode()


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 1, 8, 64))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    length = min(len(data) - start, rng.choice((1, 2, 4, 16, 512)))
    data[start : start + length] = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))


def _cut(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    del data[start : start + rng.choice((1, 4, 64, 4096))]


def _double(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    data[start:start] = data[start : start + rng.choice((1, 8, 512))]


def _insert(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    data[start:start] = rng.randbytes(rng.choice((1, 4, 64)))


def _number(data: bytearray, rng: random.Random) -> None:
    """An aligned 32-bit or 16-bit number, as FlatBuffers and file headers have them."""
    width = rng.choice((2, 4, 4, 4))
    if len(data) < width:
        return
    start = rng.randrange(len(data) // width) * width
    value = rng.choice((*EXTREME_NUMBERS, rng.getrandbits(32)))
    data[start : start + width] = struct.pack("<I", value)[:width]


def _end(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]
