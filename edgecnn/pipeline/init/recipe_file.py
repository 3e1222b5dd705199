"""Writes decisions as a recipe that people read: every key with its value, and above it the reason."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import tomli_w

from edgecnn.common import escapes
from edgecnn.pipeline.init.decision import Decision

WIDTH = 118
"""The longest line of a comment."""


def text(head: Sequence[str], decisions: Iterable[Decision]) -> str:
    """Return the recipe as TOML.

    Args:
        head: The lines of the comment that it begins with.
        decisions: In any order; the keys of no table are written first.
    """
    tables: dict[str, list[Decision]] = {"": []}
    for item in decisions:
        tables.setdefault(item.key.rpartition(".")[0], []).append(item)
    parts = ["\n".join(f"# {escapes.line(line)}".rstrip() for line in head)]
    for table, items in tables.items():
        lines = [f"[{table}]"] if table else []
        for item in items:
            lines += [*_comment(item.reason), assignment(item.key.rpartition(".")[2], item.value)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def assignment(key: str, value: Any) -> str:
    """Return a key and its value as TOML writes them."""
    return tomli_w.dumps({key: value}).rstrip("\n")


def _comment(reason: str) -> list[str]:
    words = escapes.line(reason)
    return [f"# {line}" for line in textwrap.wrap(words, WIDTH, break_long_words=False, break_on_hyphens=False)]
