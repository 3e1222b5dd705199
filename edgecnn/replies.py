"""JSON and words that came from a board, read as from a stranger."""

from __future__ import annotations

from typing import Any

from edgecnn import documents
from edgecnn.documents import Unreadable

LONGEST_WORDS = 300
"""Of what a board says in a sentence of ours, in characters."""


class NotAReply(ValueError):
    """A board said something else than it should; the message says what."""


def table(text: bytes | str) -> dict[str, Any]:
    """The JSON object that a board printed, within the bounds of any document. Raises NotAReply."""
    try:
        return documents.table(text)
    except Unreadable as error:
        raise NotAReply(plain(str(error))) from error


def plain(text: str) -> str:
    """The text in one line, short enough for a sentence, without what a terminal would obey."""
    short = "".join(letter for letter in text[: 4 * LONGEST_WORDS] if letter.isprintable()).strip()
    return short if len(short) <= LONGEST_WORDS else f"{short[:LONGEST_WORDS]} …"
