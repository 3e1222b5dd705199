"""C arrays with damage: in their text, and in the model inside with a digest that fits."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path
from typing import Any

import _models
import fuzz
import mutate

COMMANDS = (("inspect", "m.h"), ("doctor", "m.h"), ("selftest", "m.h", "--record", "g.npz"))
ARRAY = re.compile(rb"(?<=\[\] = \{\n)(    0x.*?)(?=^\};)", re.M | re.S)
DIGEST = re.compile(rb"(?<=sha256 of the array: )[0-9a-f]{64}")


def damage(header: bytes, rng: random.Random) -> bytes:
    """The model inside damaged, and its digest written anew; or the text."""
    match = ARRAY.search(header)
    if match is None or rng.random() < 0.3:
        return mutate.text_of(header, rng)
    model = bytes(int(word, 16) for word in match[1].replace(b",", b" ").split())
    damaged = mutate.bytes_of(model, rng)
    body = "    " + " ".join(f"0x{byte:02x}," for byte in damaged) + "\n"
    header = header[: match.start()] + body.encode() + header[match.end() :]
    return DIGEST.sub(hashlib.sha256(damaged).hexdigest().encode(), header)


def attack(scratch: Path) -> dict[str, Any]:
    path = _models.written(scratch, "c", "int8")
    target = fuzz.Target(folder=path.parent, file=path.name, commands=COMMANDS, mutate=damage)
    return fuzz.attack("c_array", [target], scratch)
