"""Reading of what a board prints, which is trusted as little as a stranger's file."""

from __future__ import annotations

from typing import Any

from edgecnn.common import documents
from edgecnn.common.documents import Unreadable

LONGEST_WORDS = 300
"""The most characters of a board's words that one of our sentences quotes."""
LAST_WORDS = 1 << 16
"""How many characters of a board's output are searched for its last line."""


class NotAReply(ValueError):
    """A board printed something other than expected; the message says what."""


def table(text: bytes | str, *, raw: bool = False) -> dict[str, Any]:
    """Parse the JSON object that a board printed.

    Args:
        text: What it printed.
        raw: Keep unprintable characters, which a terminal might obey; otherwise they are dropped from all strings.

    Raises:
        NotAReply: The text is no JSON object within the bounds of `documents`.
    """
    try:
        answer = documents.table(text)
    except Unreadable as error:
        raise NotAReply(plain(str(error))) from error
    return answer if raw else {_printable(key): _printable(value) for key, value in answer.items()}


def plain(text: str) -> str:
    """Return the text in one line of printable characters, short enough to quote in a sentence."""
    short = _printable_text(text[: 4 * LONGEST_WORDS]).strip()
    return short if len(short) <= LONGEST_WORDS else f"{short[:LONGEST_WORDS]} …"


def last_line(text: str) -> str:
    """Return the last line that is not empty, printable and without its full stop; "" if there is none."""
    lines = (plain(line) for line in reversed(text[-LAST_WORDS:].splitlines()))
    return next((line.rstrip(".") for line in lines if line), "")


def _printable_text(text: str) -> str:
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return _printable_text(value)
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return value
