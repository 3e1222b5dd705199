"""Prints what was learnt of how sure files may be: a table of calibration, and one of what is answered."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.common.stats import Proportion
from edgecnn.pipeline.calibrate import thresholds
from edgecnn.records.artifact import Artifact
from edgecnn.records.certainty import Certainty, Outlook

HEAD = ("file", "temperature", "calibration error pp, before", "after", "loss, before", "after")


def show(files: Sequence[Artifact]) -> None:
    """Print temperatures and thresholds, and how they came out on test pictures."""
    carded = [
        (file, certainty, outlook)
        for file in files
        if (certainty := file.certainty) is not None and (outlook := certainty.outlook) is not None
    ]
    first, outlook = carded[0][1:]
    say(
        f"learnt from {first.validation_n:,} validation pictures, stated on {outlook.answered.n:,} test pictures [95 %]"
    )
    console.table(HEAD, [_calibration(file, certainty, stated) for file, certainty, stated in carded])
    say("")
    names = [other.name for other in outlook.others]
    head = ("file", "unlike if", "unsure if", "answered %", "wrong % of them", *(f"{name} unknown %" for name in names))
    console.table(head, [_answers(file, certainty, stated) for file, certainty, stated in carded])
    if first.least_score is None:
        needed = thresholds.needed_to_keep(first.keep_percent)
        console.warn(
            f"{first.validation_n:,} validation pictures cannot tell what keeps {first.keep_percent:g} % of known "
            f"ones: {needed:,} are needed, so no picture is called unlike"
        )


def _calibration(file: Artifact, certainty: Certainty, outlook: Outlook) -> list[str]:
    before, after = outlook.before, outlook.after
    fits = (before.error_pp, after.error_pp, before.loss, after.loss)
    return [file.name, f"{certainty.temperature:.3f}", *map(str, fits)]


def _answers(file: Artifact, certainty: Certainty, outlook: Outlook) -> list[str]:
    unlike = "-" if certainty.least_score is None else f"{certainty.score} < {certainty.least_score:.4g}"
    share = certainty.risk.least_share if certainty.risk else None
    return [
        file.name,
        unlike,
        "-" if share is None else f"share < {share:.4f}",
        _percent(outlook.answered),
        "-" if outlook.wrong is None else _percent(outlook.wrong),
        *(_percent(other.unknown) for other in outlook.others),
    ]


def _percent(share: Proportion) -> str:
    return f"{share.percent:.1f} [{share.low_percent:.1f}, {share.high_percent:.1f}]"
