"""Tells from the names of classes whether a mirrored picture would still be of its class.

A mirrored left arrow is a right one, and a mirrored letter is none; a net that learns from such pictures confuses them
(`edgecnn lesson augmentation` measures by how much). Names are all that is known, so a doubtful one counts as a reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgecnn.common import escapes

WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_]+")
"""The words of a name such as turn_left, turnLeft or "Turn left"."""
SIDED = ("left", "right", "clockwise", "counterclockwise", "anticlockwise", "arrow", "starboard", "links", "rechts")
"""How a word begins that names a side, or something that points to one."""
OPPOSITES = (("l", "r"), ("east", "west"), ("e", "w"), ("cw", "ccw"), ("lhs", "rhs"))
"""Words that name sides if two classes differ in nothing else."""
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
BESIDE = frozenset(
    {"digit", "number", "class", "label", "category", "letter", "char", "character", "upper", "lower", "speed", "limit"}
)
"""Words beside a number or a letter that say nothing of what else is shown."""


def forbidding(classes: Sequence[str]) -> str | None:
    """Return why pictures of these classes should not be mirrored; None if no name speaks against it."""
    words = {name: tuple(word.casefold() for word in WORDS.findall(name)) for name in classes}
    for name in classes:
        if any(word.startswith(SIDED) for word in words[name]):
            return f"{_quoted(name)} names a side, which a mirror swaps"
    for left, right in OPPOSITES:
        swap = {left: right, right: left}
        for name in classes:
            other = tuple(swap.get(word, word) for word in words[name])
            if other != words[name] and other in words.values():
                twin = next(twin for twin in classes if words[twin] == other)
                return f"a mirror makes {_quoted(name)} {_quoted(twin)}"
    for name in classes:
        if _is_sign(name):
            return f"{_quoted(name)} may be a digit or a letter, which are none in a mirror"
    return None


def _is_sign(name: str) -> bool:
    """Return whether a name is a number or one letter, alone or beside words that only say so."""
    parts = [part for part in re.split(r"[\W_]+", name.casefold()) if part]
    words = [part.rstrip("0123456789") if part.rstrip("0123456789") in BESIDE else part for part in parts]
    others = [word for word in words if word not in BESIDE]
    has_sign = words != parts or bool(others)
    return has_sign and all(word.isdecimal() or len(word) == 1 or word in NUMBERS for word in others)


def _quoted(name: str) -> str:
    return f"'{escapes.line(name)}'"
