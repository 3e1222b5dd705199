"""Findings from places of pictures: who they are, and the words for how many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.data import Overview
from edgecnn.records import leave_out
from edgecnn.records.data_check import DataFinding, Level, Suspect
from edgecnn.records.leave_out import Action


@dataclass(frozen=True)
class CheckedPictures:
    """The pictures that are checked."""

    seen: Overview
    place: Path
    """Where they are, as the user names it."""

    def name(self, index: int) -> str:
        """Return what messages and lists call a picture."""
        return leave_out.name(self.seen.listed.pictures[index], self.place)

    def suspect(self, index: int, detail: str, action: Action = "look", **facts: Any) -> Suspect:
        """Return a picture with its fault."""
        own = self.seen.listed
        return Suspect(
            file=self.name(index),
            index=int(index),
            label=own.classes[own.labels[index]],
            split=str(own.roles[index]),
            detail=detail,
            action=action,
            **facts,
        )

    def finding(
        self, kind: str, level: Level, suspects: Iterable[Suspect], of: int, words: str, mend: str | None
    ) -> DataFinding:
        """Return what was found; without suspects, that there is none.

        Args:
            kind: What was looked for.
            level: Of the finding if there are suspects.
            suspects: The pictures.
            of: How many pictures were looked at.
            words: What is true of them, such as "cannot be read".
            mend: What to do.
        """
        listed = tuple(suspects)
        n = len({each.index for each in listed})
        if not listed:
            return DataFinding(level="ok", kind=kind, sentence=f"none of {of:,} pictures {words}", of=of)
        first = f", such as {listed[0].file}" + f" ({listed[0].detail})" * bool(listed[0].detail)
        share = f"{100 * n / of:.1f} %" if n / of >= 0.001 else "under 0.1 %"
        sentence = f"{n:,} of {of:,} pictures ({share}) {words}{first}"
        return DataFinding(level=level, kind=kind, sentence=sentence, mend=mend, n=n, of=of, suspects=listed)


def not_looked_for(kind: str, reason: str, mend: str | None) -> DataFinding:
    """Return that something could not be looked for, and why."""
    return DataFinding(level="note", kind=kind, sentence=f"not looked for: {reason.rstrip('.')}", mend=mend)
