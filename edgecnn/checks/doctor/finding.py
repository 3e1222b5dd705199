"""A finding of the doctor: what was examined, how it is, the evidence, and what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgecnn.formats import OutlineOperator
from edgecnn.records import labels

SHOWN = 4
"""How many names a sentence lists before it counts the rest."""

Level = Literal["ok", "note", "warn", "wrong"]
"""ok: as it should be. note: worth knowing. warn: may be why something is worse. wrong: will fail, or has failed."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding of the doctor."""

    level: Level
    subject: str
    """What was examined, in a word or two."""
    evidence: str
    """One sentence with the figures."""
    mend: str | None = None
    """What to do, or the command that does it; None if nothing is to be done."""


def wrong(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that fail a file or an installation."""
    return [finding for finding in findings if finding.level == "wrong"]


def named(operators: Sequence[OutlineOperator]) -> str:
    """Join the names of the first few operators, and count the rest."""
    return listed([operator.name for operator in operators])


def listed(words: Sequence[str]) -> str:
    """Join the first few words, and count the rest."""
    return labels.listed(words, SHOWN)
