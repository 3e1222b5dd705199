"""The record of `edgecnn data check`: what was found in pictures of one's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from edgecnn.common.stats import Proportion
from edgecnn.records import leave_out, notebook
from edgecnn.records.leave_out import Action, LeaveOutLine

Level = Literal["ok", "note", "warn", "wrong"]
"""ok: looked for, and none. note: worth knowing. warn: may be why a net is worse than it could be, or than it seems.
wrong: a training refuses it, or cannot be right about it."""


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A picture with a fault."""

    file: str
    """As the list of `--fix` names it."""
    index: int
    """Its place among the listed pictures."""
    label: str
    split: str
    detail: str
    """What is wrong with this one, in a few words."""
    action: Action = "look"
    twin: int | None = None
    """The place of the picture that it is a copy of."""
    likely: str = ""
    """The class that a net takes it for."""
    likely_percent: float | None = None
    """The net's probability of that class, in percent; None if no net was asked."""
    label_percent: float | None = None
    """The net's probability of the class it is in."""


@dataclass(frozen=True, kw_only=True)
class DataFinding:
    """A kind of fault, and all pictures that have it."""

    level: Level
    kind: str
    """What was looked for, in a word or two."""
    sentence: str
    mend: str | None = None
    n: int = 0
    """Pictures, or classes, that have it."""
    of: int = 0
    """Those that were looked at; 0 if it could not be looked for."""
    suspects: tuple[Suspect, ...] = ()
    names: tuple[str, ...] = ()
    """The classes, of a finding that is about classes."""

    @property
    def percent(self) -> float | None:
        """The share of those that have it; None if it could not be looked for."""
        return 100 * self.n / self.of if self.of else None


@dataclass(frozen=True, kw_only=True)
class ProbeClass:
    """The recall and precision of a probe on one class."""

    label: str
    recall: Proportion
    """The share of the class's pictures that are called so."""
    precision: Proportion | None
    """The share of the pictures called so that are of the class; None if none is."""
    p_value: float | None = None
    """The chance of as many right calls or more (Fisher's exact test), after Holm's correction for all classes and
    probes; None for the whole picture, whose classes are not tested."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A classifier that is shown a part of what there is, and learns from the other pictures."""

    name: str
    words: str
    """What it is shown."""
    accuracy: Proportion
    chance_percent: float
    """The share of the largest class."""
    classes: tuple[ProbeClass, ...]


@dataclass(frozen=True, kw_only=True)
class DataCheck:
    """The findings of `edgecnn data check` in pictures of one's own."""

    command: str
    path: str
    data: str
    """The data set that reads them."""
    pictures: int
    classes: tuple[str, ...]
    splits: dict[str, int]
    findings: tuple[DataFinding, ...]
    probes: tuple[Probe, ...]
    stages_s: dict[str, float] = field(default_factory=dict)
    """How long each stage took, in seconds."""

    def _repr_html_(self) -> str:
        """Return the findings as a table, for a notebook."""
        return notebook.html(self)


def to_table(check: DataCheck) -> dict[str, Any]:
    """Return the record as a table for JSON."""
    table = dataclasses.asdict(check)
    for finding, shown in zip(check.findings, table["findings"], strict=True):
        shown["percent"] = finding.percent
    return table


def entries(check: DataCheck) -> Sequence[LeaveOutLine]:
    """Return the lines of the list of `--fix`: every picture of every finding, those to leave out first."""
    lines = [
        LeaveOutLine(file=each.file, finding=finding.kind, action=each.action, label=each.label, detail=each.detail)
        for finding in check.findings
        for each in finding.suspects
    ]
    return sorted(lines, key=lambda line: line.action != leave_out.LEAVE_OUT)
