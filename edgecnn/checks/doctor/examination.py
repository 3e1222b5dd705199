"""The findings of the doctor about a model file, or about this installation."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from edgecnn.checks.doctor.finding import Finding
from edgecnn.checks.doctor.preprocessing import Diagnosis
from edgecnn.common import documents
from edgecnn.records import notebook


@dataclass(frozen=True, kw_only=True)
class Examination:
    """All findings, in the order they were made."""

    path: Path | None
    """The model file; None for the installation."""
    findings: tuple[Finding, ...]
    diagnosis: Diagnosis | None = None
    """What was tried of the preprocessing, if there were pictures."""

    def _repr_html_(self) -> str:
        return notebook.html(self)


def to_json(examination: Examination) -> str:
    """Return the findings, and all that was tried of the preprocessing."""
    table = {"findings": [dataclasses.asdict(finding) for finding in examination.findings]}
    diagnosis = examination.diagnosis
    return documents.to_json(table | ({"preprocessing": dataclasses.asdict(diagnosis)} if diagnosis else {}))
