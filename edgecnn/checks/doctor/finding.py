"""What the doctor says: one thing that was looked at, how it is, the evidence, and what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "warn", "wrong"]
"""ok: as it should be. note: worth knowing. warn: may be why something is worse. wrong: will fail, or has failed."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor's."""

    level: Level
    subject: str
    """What was looked at, in a word or two."""
    evidence: str
    """One sentence with the figures in it."""
    mend: str | None = None
    """What to do, or the command that does it; None for what needs nothing."""


def wrong(findings: Sequence[Finding]) -> list[Finding]:
    """Those that fail a file or an installation."""
    return [one for one in findings if one.level == "wrong"]
