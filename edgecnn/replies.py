"""JSON and words that came from a board, read as from a stranger."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MOST_DIGITS = 20
"""Of a whole number: 64 bits have no more."""
LONGEST_WORDS = 300
"""Of what a board says in a sentence of ours, in characters."""


class NotAReply(ValueError):
    """A board said something else than it should; the message says what."""


def table(text: bytes | str, *, raw: bool = False) -> dict[str, Any]:
    """The JSON object that a board printed. Raises NotAReply.

    Its numbers are finite, and no string in it holds what a terminal would obey, unless it is wanted `raw`.
    """
    try:
        answer = json.loads(text, parse_constant=_no_number, parse_float=_finite, parse_int=_whole)
        answer = answer if raw else _printable(answer)
    except RecursionError as error:
        raise NotAReply("it nests too deep") from error
    except ValueError as error:
        raise NotAReply(plain(str(error))) from error
    if not isinstance(answer, dict):
        raise NotAReply("it is no JSON object")
    return answer


def plain(text: str) -> str:
    """The text in one line, short enough for a sentence, without what a terminal would obey."""
    short = "".join(letter for letter in text[: 4 * LONGEST_WORDS] if letter.isprintable()).strip()
    return short if len(short) <= LONGEST_WORDS else f"{short[:LONGEST_WORDS]} …"


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else "".join(letter for letter in value if letter.isprintable())
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _finite(word: str) -> float:
    if not math.isfinite(number := float(word)):
        raise ValueError("a number is too large")
    return number


def _whole(word: str) -> int:
    if len(word) > MOST_DIGITS:
        raise ValueError("a number is too large")
    return int(word)
