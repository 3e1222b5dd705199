"""A check of pictures for people: the findings, the first pictures of each, and how the probes did."""

from __future__ import annotations

import textwrap

from edgecnn.common import console, paragraphs
from edgecnn.common.escapes import line, say
from edgecnn.records.data_check import DataCheck, DataFinding, Probe
from edgecnn.records.notebook import HtmlTable

SHOWN = 4
"""Pictures of a finding that are named; the JSON, the list and the page have more."""
HEAD = ("probe", "right % [95 %]", "chance %", "n")


def show(check: DataCheck) -> None:
    """Print what was found: what is wrong first, what is as it should be in one paragraph at the end."""
    parts = ", ".join(f"{count:,} {role}" for role, count in check.splits.items())
    say(f"{check.path}: {check.pictures:,} pictures of {len(check.classes)} classes ({parts})")
    say()
    for level in ("wrong", "warn", "note"):
        for finding in check.findings:
            if finding.level == level:
                say("\n".join(_lines(finding)))
    clean = [finding.kind for finding in check.findings if finding.level == "ok"]
    say("\n".join(paragraphs.finding("ok", "nothing of", ", ".join(clean) or "all that was looked for", None)))
    if check.probes:
        say()
        console.table(HEAD, [row(probe) for probe in check.probes])


def row(probe: Probe) -> tuple[str, ...]:
    """Return a probe as cells under HEAD."""
    accuracy = probe.accuracy
    interval = f"{accuracy.percent:.1f} [{accuracy.low_percent:.1f}, {accuracy.high_percent:.1f}]"
    return f"{probe.name}: {probe.words}", interval, f"{probe.chance_percent:.1f}", f"{accuracy.n:,}"


def tables(check: DataCheck) -> list[HtmlTable]:
    """Return the findings, for a notebook."""
    rows = [(finding.level, finding.kind, finding.sentence, finding.mend or "") for finding in check.findings]
    return [HtmlTable(check.path, ("level", "looked for", "found", "what to do"), rows)]


def _lines(finding: DataFinding) -> list[str]:
    lines = paragraphs.finding(finding.level, finding.kind, finding.sentence, finding.mend)
    for suspect in finding.suspects[1:SHOWN]:
        words = f"{line(suspect.file)} ({suspect.detail})"
        indent = " " * (paragraphs.INDENT + 3)
        lines += textwrap.wrap(words, paragraphs.WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")
    return lines
