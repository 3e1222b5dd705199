"""The visible text of a page of HTML, for tests to read."""

from __future__ import annotations

from html.parser import HTMLParser


class Text(HTMLParser):
    """The words of a page, its tables as lists of rows, and its ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words, self.ids, self.tables, self.links = "", [], {}, []  # type: ignore[var-annotated]
        self._table, self._cell = "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes["href"]] if tag == "a" else []
        if tag == "table":
            self._table = str(attributes["id"])
            self.tables[self._table] = []
        if tag == "tr":
            self.tables[self._table].append([])
        self._cell = tag in ("td", "th")
        if self._cell:
            self.tables[self._table][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._cell:
            self.tables[self._table][-1][-1] += data

    def column(self, table: str, name: str) -> list[str]:
        head, *rows = self.tables[table]
        return [row[head.index(name)] for row in rows]
