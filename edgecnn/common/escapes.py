"""Text of strangers, made harmless for where it goes: names, labels, notes of files and words of other programs.

A terminal obeys control characters, and a right-to-left override shows a name as what it is not; both are shown as
Python writes them ("\\x1b", "\\u202e"). Letters of every script, spaces and emoji stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TextIO

# C0, DEL and C1, the two line separators, what overrides, embeds or isolates a direction, lone surrogates, and two
# that XML takes for no letters.
CONTROLS = "\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff"
_CONTROL = re.compile(f"[{CONTROLS}]")
CONTROL_IN_TEXT = re.compile(f"(?![\n\t])[{CONTROLS}]")
_MARKDOWN = re.compile(r"([\\|<]|(?<=\])\()")
"""What parts cells, begins HTML, or makes a link of what stands in brackets before it."""


def has_controls(text: str) -> bool:
    return _CONTROL.search(text) is not None


def line(text: str) -> str:
    """For one line or one cell: no control character is left, nor a line break."""
    return _CONTROL.sub(_visible, text)


def text(text: str) -> str:
    """For a terminal: lines and tabs stay, every other control character becomes visible."""
    return CONTROL_IN_TEXT.sub(_visible, text)


def markdown(text: str) -> str:
    """For a line of text or a cell of a table in Markdown: no HTML, no link and no further cell comes of it."""
    return _MARKDOWN.sub(r"\\\1", line(text))


def markdown_cells(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[markdown(cell) for cell in row] for row in rows]


def _visible(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def say(*parts: str, sep: str = " ", end: str = "\n", file: TextIO | None = None, flush: bool = False) -> None:
    """Print text whoever wrote it: a terminal is shown its control characters and obeys none."""
    print(*map(text, parts), sep=sep, end=end, file=file, flush=flush)
