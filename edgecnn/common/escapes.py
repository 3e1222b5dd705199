r"""Escapes for text from strangers: names, labels, notes in files, and the output of other programs.

A terminal obeys control characters, and a right-to-left override disguises a name. Both are shown as Python writes them
("\\x1b", "\\u202e"); letters of every script, spaces and emoji stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TextIO

# C0, DEL and C1, the two line separators, bidirectional overrides, embeddings and isolates, lone surrogates, and two
# characters that XML forbids.
CONTROLS = "\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff"
_CONTROL = re.compile(f"[{CONTROLS}]")
CONTROL_IN_TEXT = re.compile(f"(?![\n\t])[{CONTROLS}]")
_MARKDOWN = re.compile(r"([\\|<]|(?<=\])\()")
"""Characters that separate cells, begin HTML, or make a link of the brackets before them."""


def has_controls(text: str) -> bool:
    return _CONTROL.search(text) is not None


def line(text: str) -> str:
    """Escape text for one line or one cell: all control characters, line breaks too."""
    return _CONTROL.sub(_visible, text)


def text(text: str) -> str:
    """Escape text for a terminal: all control characters except line breaks and tabs."""
    return CONTROL_IN_TEXT.sub(_visible, text)


def markdown(text: str) -> str:
    """Escape text for a Markdown line or cell, so that it makes no HTML, no link and no further cell."""
    return _MARKDOWN.sub(r"\\\1", line(text))


def markdown_cells(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[markdown(cell) for cell in row] for row in rows]


def _visible(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def say(*parts: str, sep: str = " ", end: str = "\n", file: TextIO | None = None, flush: bool = False) -> None:
    """Print text with its control characters escaped, so that a terminal shows them and obeys none."""
    print(*map(text, parts), sep=sep, end=end, file=file, flush=flush)
