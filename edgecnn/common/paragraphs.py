"""Findings as paragraphs of 80 columns: how bad, what it is about, the evidence, and what to do."""

from __future__ import annotations

import textwrap

WIDTH = 80
INDENT = 21
"""Columns before the evidence."""


def finding(level: str, subject: str, evidence: str, mend: str | None) -> list[str]:
    """Return the lines of a finding, with what mends it below."""
    head = f"{level:<7}{subject}"
    head = f"{head:<{INDENT}}" if len(head) < INDENT else f"{head}  "
    lines = _wrapped(evidence, head)
    return lines + _wrapped(mend, " " * INDENT + "-> ") if mend is not None else lines


def _wrapped(text: str, head: str) -> list[str]:
    indent = " " * (len(head) if head.startswith(" ") else INDENT)
    return textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)
