"""Records shown in a notebook: a small HTML table, in the words of the commands.

`_repr_html_` of a record asks here. The cells are those that `show` prints, so they are made where it is.
"""

from __future__ import annotations

import html as markup
import importlib
from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn.common import escapes

MADE_BY = {
    "Run": "edgecnn.pipeline.train.show",
    "Artifact": "edgecnn.pipeline.export.show",
    "Report": "edgecnn.pipeline.bench.show",
    "DataCheck": "edgecnn.checks.data.show",
    "Evaluation": "edgecnn.checks.evaluate.show",
    "Matrix": "edgecnn.checks.verify.show",
    "Anatomy": "edgecnn.checks.inspect",
    "ModelFile": "edgecnn.checks.inspect",
    "Examination": "edgecnn.checks.doctor.show",
}
"""Record -> the module whose `tables(record)` has its tables; by name, for it stands above the records."""


@dataclass(frozen=True)
class HtmlTable:
    """Cells as they are shown, by whoever they were written."""

    title: str
    head: Sequence[str]
    """Empty for facts, whose rows are a name and a value."""
    rows: Sequence[Sequence[str]]


def html(record: object) -> str:
    """Return the tables of a record as HTML, every text of it escaped."""
    tables: Sequence[HtmlTable] = importlib.import_module(MADE_BY[type(record).__name__]).tables(record)
    return "".join(map(_html, tables))


def _html(table: HtmlTable) -> str:
    head = f"<thead>{_row(table.head, 'th')}</thead>" if table.head else ""
    body = "".join(_row(row, "td") for row in table.rows)
    return f"<table><caption>{_text(table.title)}</caption>{head}<tbody>{body}</tbody></table>"


def _row(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{_text(cell)}</{tag}>' for cell in cells)}</tr>"


def _text(text: str) -> str:
    """Escape text of strangers: neither markup nor a control character is left in it."""
    return markup.escape(escapes.line(text))
