"""The command that teaches model files what they do not know: calibrate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli import options as o
from edgecnn.common import documents
from edgecnn.common.escapes import say
from edgecnn.errors import UsageError


def calibrate(
    target: o.CALIBRATED,
    keep: Annotated[str, typer.Option("--keep", help="Share of known pictures to answer, in percent.")] = "95",
    max_risk: Annotated[
        str | None, typer.Option("--max-risk", help="Gate: largest share of wrong answers among the answered.")
    ] = None,
    score: Annotated[
        str,
        typer.Option("--score", help="What tells known pictures: max-softmax, max-logit or energy."),
    ] = "max-softmax",
    others: Annotated[
        list[Path] | None, typer.Option("--others", help="Pictures of other things to ask about; may be repeated.")
    ] = None,
    only_unseen: o.ONLY_UNSEEN = False,
    strict: o.STRICT = False,
    as_json: o.JSON = False,
) -> None:
    """Learn from validation pictures how sure a run's files may be, and when to answer unknown."""
    from edgecnn.pipeline.calibrate import calibrate as verb
    from edgecnn.pipeline.calibrate import show
    from edgecnn.records import artifact

    wish = verb.Wish(
        score=score,  # type: ignore[arg-type]  # it is checked there
        keep_percent=_percent("--keep", keep),
        max_risk_percent=None if max_risk is None else _percent("--max-risk", max_risk),
    )
    files = verb.calibrate(target, wish, others or (), only_unseen)
    if as_json:
        say(documents.to_json([artifact.to_table(file) for file in files]))
    else:
        show.show(files)
    verb.judge(files, strict)


def _percent(option: str, text: str) -> float:
    """Return the number of "2" or "2 %". Raises UsageError."""
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{option} {text} is no share in percent.", f"{option} 2, or {option} 2%")
    return number
