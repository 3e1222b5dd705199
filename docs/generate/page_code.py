"""Write a file that a page shows under its title, so that the commands after it can use it."""

from __future__ import annotations

import re
from pathlib import Path

PAGES = Path(__file__).resolve().parents[1] / "pages"


def write(page: str, title: str) -> None:
    """Write the block of a page that has this title into the current folder."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    block = re.search(rf'^```\w+ title="{re.escape(title)}"\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    assert block is not None, (page, title)
    Path(title).write_text(block[1], encoding="utf-8")
