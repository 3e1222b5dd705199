"""Shows the doctor's findings to people, on stdout in 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from edgecnn.checks.doctor.examination import Examination
from edgecnn.checks.doctor.finding import Finding
from edgecnn.checks.doctor.preprocessing import Diagnosis, Tried
from edgecnn.common import console, paragraphs
from edgecnn.common.escapes import say
from edgecnn.records.notebook import HtmlTable

NAME = 28
"""Width of the column that says what is fed."""
ROWS = 12
"""How many hypotheses are shown; the JSON has all."""


def lines(findings: Sequence[Finding]) -> list[str]:
    """Return the lines of all findings, each with what mends it."""
    return [
        line
        for finding in findings
        for line in paragraphs.finding(finding.level, finding.subject, finding.evidence, finding.mend)
    ]


def show(examination: Examination) -> None:
    """Print all findings; the hypotheses that were tried come before the conclusions from them."""
    findings, diagnosis = examination.findings, examination.diagnosis
    if examination.path is not None:
        say(str(examination.path))
    of_pixels = [finding for finding in findings if finding.subject in ("preprocessing", "classes")]
    say("\n".join(lines([finding for finding in findings if finding not in of_pixels])))
    if diagnosis is not None:
        say()
        _show_tried(diagnosis)
    if of_pixels:
        say("\n" + "\n".join(lines(of_pixels)))


def tables(examination: Examination) -> list[HtmlTable]:
    """Return the findings, for a notebook."""
    rows = [(finding.level, finding.subject, finding.evidence, finding.mend or "") for finding in examination.findings]
    title = "this installation" if examination.path is None else str(examination.path)
    return [HtmlTable(title, ("level", "subject", "evidence", "what to do"), rows)]


def _show_tried(diagnosis: Diagnosis) -> None:
    what = "answers the device gave" if diagnosis.of_device else "labelled pictures"
    say("\n".join(textwrap.wrap(f"{diagnosis.n:,} {what}; assumed: {diagnosis.assumed}", paragraphs.WIDTH)))
    column = "agree % [95 %]" if diagnosis.of_device else "top-1 % [95 %]"
    scored = diagnosis.tried[0].score_distance is not None
    head = ["fed", column, "+", "-", "p", "score off" if scored else "classes"]
    distinct = [trial for trial in diagnosis.tried if trial.same_tensors_as is None]
    shown = distinct[:ROWS]
    if diagnosis.best not in shown:
        shown[-1] = diagnosis.best
    console.table(head, [_row(trial, scored) for trial in shown])
    rest = []
    if len(distinct) > len(shown):
        highest = max(trial.percent for trial in distinct if trial not in shown)
        rest.append(f"{len(distinct) - len(shown)} more fit {highest:.1f} % at best")
    if same := len(diagnosis.tried) - len(distinct):
        rest.append(f"{same} feed the same numbers as another")
    if rest:
        say("\n".join(textwrap.wrap("; ".join(rest) + " (--json has all)", paragraphs.WIDTH)))


def _row(trial: Tried, scored: bool) -> list[str]:
    return [
        textwrap.shorten(" + ".join(trial.names), NAME, placeholder=" ...") or "as assumed",
        f"{trial.percent:.2f} [{trial.low_percent:.1f}, {trial.high_percent:.1f}]",
        str(trial.gained) if trial.names else "",
        str(trial.lost) if trial.names else "",
        f"{trial.p_value:.1g}" if trial.names else "",
        f"{trial.score_distance:.4f}" if scored else str(trial.classes_answered),
    ]
