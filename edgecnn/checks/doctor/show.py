"""What the doctor found, for people: lines of 80 columns on stdout."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from edgecnn.checks.doctor.examination import Examination
from edgecnn.checks.doctor.finding import Finding
from edgecnn.checks.doctor.preprocessing import Diagnosis, Tried
from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.records.notebook import Table

WIDTH = 80
INDENT = 21
NAME = 28
"""Columns for what is fed."""
ROWS = 12
"""Hypotheses shown; the JSON has all."""


def lines(findings: Sequence[Finding]) -> list[str]:
    """One finding after the other, each with what mends it."""
    result = []
    for one in findings:
        head = f"{one.level:<7}{one.subject}"
        head = f"{head:<{INDENT}}" if len(head) < INDENT else f"{head}  "
        result += _wrapped(one.evidence, head)
        if one.mend is not None:
            result += _wrapped(one.mend, " " * INDENT + "-> ")
    return result


def show(examination: Examination) -> None:
    """Print everything; what was tried of the preprocessing comes before what follows from it."""
    findings, diagnosis = examination.findings, examination.diagnosis
    if examination.path is not None:
        say(str(examination.path))
    of_pixels = [one for one in findings if one.subject in ("preprocessing", "classes")]
    say("\n".join(lines([one for one in findings if one not in of_pixels])))
    if diagnosis is not None:
        say()
        _show_tried(diagnosis)
    if of_pixels:
        say("\n" + "\n".join(lines(of_pixels)))


def tables(examination: Examination) -> list[Table]:
    """The findings, for a notebook."""
    rows = [(finding.level, finding.subject, finding.evidence, finding.mend or "") for finding in examination.findings]
    title = "this installation" if examination.path is None else str(examination.path)
    return [Table(title, ("level", "subject", "evidence", "what to do"), rows)]


def _show_tried(diagnosis: Diagnosis) -> None:
    what = "answers the device gave" if diagnosis.of_device else "labelled pictures"
    say("\n".join(textwrap.wrap(f"{diagnosis.n:,} {what}; assumed: {diagnosis.assumed}", WIDTH)))
    column = "agree % [95 %]" if diagnosis.of_device else "top-1 % [95 %]"
    scored = diagnosis.tried[0].score_distance is not None
    head = ["fed", column, "+", "-", "p", "score off" if scored else "classes"]
    distinct = [one for one in diagnosis.tried if one.same_tensors_as is None]
    shown = distinct[:ROWS]
    if diagnosis.best not in shown:
        shown[-1] = diagnosis.best
    console.table(head, [_row(one, scored) for one in shown])
    rest = []
    if len(distinct) > len(shown):
        highest = max(one.percent for one in distinct if one not in shown)
        rest.append(f"{len(distinct) - len(shown)} more fit {highest:.1f} % at best")
    if same := len(diagnosis.tried) - len(distinct):
        rest.append(f"{same} feed the same numbers as another")
    if rest:
        say("\n".join(textwrap.wrap("; ".join(rest) + " (--json has all)", WIDTH)))


def _row(one: Tried, scored: bool) -> list[str]:
    return [
        textwrap.shorten(" + ".join(one.names), NAME, placeholder=" ...") or "as assumed",
        f"{one.percent:.2f} [{one.low_percent:.1f}, {one.high_percent:.1f}]",
        str(one.gained) if one.names else "",
        str(one.lost) if one.names else "",
        f"{one.p_value:.1g}" if one.names else "",
        f"{one.score_distance:.4f}" if scored else str(one.classes_answered),
    ]


def _wrapped(text: str, head: str) -> list[str]:
    indent = " " * (len(head) if head.startswith(" ") else INDENT)
    return textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)
