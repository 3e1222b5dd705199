"""A terminal's screen after a program has written to it: enough of one for text, colours and progress bars."""

from __future__ import annotations

import itertools
import re

TOKEN = re.compile(r"\x1b\[(?P<arguments>[\d;?]*)(?P<command>[A-Za-z])|(?P<text>[^\x1b])", re.DOTALL)


def shown(written: str) -> list[str]:
    """Return the lines of the screen, each with the escape sequences of its colours.

    Args:
        written: What was written to the terminal. Carriage return, line feed, cursor up and erase line move and erase;
            SGR sequences colour; other sequences, such as hiding the cursor, are dropped.
    """
    cells: list[list[tuple[str, str]]] = [[]]  # (style, character)
    row, column, style = 0, 0, ""
    for match in TOKEN.finditer(written):
        command, arguments, text = match["command"], match["arguments"], match["text"]
        if command == "m":
            style = "" if arguments in ("", "0") else style + match[0]
        elif command == "A":
            row = max(0, row - int(arguments or 1))
        elif command == "K":
            cells[row] = []
        elif text == "\r":
            column = 0
        elif text == "\n":
            row, column = row + 1, 0
            if row == len(cells):
                cells.append([])
        elif text is not None and text.isprintable():
            cells[row].extend([("", " ")] * (column - len(cells[row])))
            cells[row][column : column + 1] = [(style, text)]
            column += 1
    lines = [_coloured(line) for line in cells]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _coloured(line: list[tuple[str, str]]) -> str:
    """Return a line's text with the colours of its cells, without spaces at the end."""
    runs = itertools.groupby(line, key=lambda cell: cell[0])
    parts = [(style, "".join(text for _, text in cells)) for style, cells in runs]
    return "".join(f"{style}{text}\x1b[0m" if style else text for style, text in parts).rstrip()


def plain(line: str) -> str:
    """Return a line without its colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", line)
