"""JSON and words that came from a board, read as from a stranger."""

from __future__ import annotations

from typing import Any

from edgecnn.common import documents
from edgecnn.common.documents import Unreadable

LONGEST_WORDS = 300
"""Of what a board says in a sentence of ours, in characters."""


LAST_WORDS = 1 << 16
"""Of whatever a board said, where its last line is looked for."""


class NotAReply(ValueError):
    """A board said something else than it should; the message says what."""


def table(text: bytes | str, *, raw: bool = False) -> dict[str, Any]:
    """The JSON object that a board printed, within the bounds of any document. Raises NotAReply.

    No string in it holds what a terminal would obey, unless it is wanted `raw`.
    """
    try:
        answer = documents.table(text)
    except Unreadable as error:
        raise NotAReply(plain(str(error))) from error
    return answer if raw else {_printable(key): _printable(value) for key, value in answer.items()}


def plain(text: str) -> str:
    """The text in one line, short enough for a sentence, without what a terminal would obey."""
    short = "".join(letter for letter in text[: 4 * LONGEST_WORDS] if letter.isprintable()).strip()
    return short if len(short) <= LONGEST_WORDS else f"{short[:LONGEST_WORDS]} …"


def last_line(text: str) -> str:
    """The last line that says something, without its full stop and what a terminal would obey."""
    lines = (plain(line) for line in reversed(text[-LAST_WORDS:].splitlines()))
    return next((line.rstrip(".") for line in lines if line), "")


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else "".join(letter for letter in value if letter.isprintable())
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return value
