"""`edgecnn.calibrate`: the verb, for whoever names a run in Python."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgecnn.pipeline.calibrate.calibrate import KEEP_PERCENT, SCORE, Wish
from edgecnn.pipeline.calibrate.calibrate import calibrate as verb
from edgecnn.records import resolve
from edgecnn.records.artifact import Artifact
from edgecnn.records.certainty import Score
from edgecnn.records.resolve import FilePath, Target


def calibrate(
    target: Target,
    *,
    keep: float = KEEP_PERCENT,
    max_risk: float | None = None,
    score: Score = SCORE,
    others: Iterable[FilePath] = (),
    only_unseen: bool = False,
) -> list[Artifact]:
    """Learn from validation pictures how sure a run's files may be and when they say "unknown", and write their cards.

    Nothing is raised where validation cannot promise `max_risk`: `certainty.risk` says so.

    Args:
        target: A run, or one of its files.
        keep: The share of pictures of the known classes that are to be answered, in percent.
        max_risk: The largest share of wrong answers among the pictures that are answered, in percent; None promises
            nothing.
        score: What tells known pictures from others: "max-softmax", "max-logit" or "energy".
        others: Folders of pictures of other things, of which is stated how many are unknown.
        only_unseen: State the result on the test pictures that the run has not seen.

    Returns:
        The files, each with its `certainty`: temperature, thresholds, and how they came out on the test pictures.

    Raises:
        UsageError: The target is no run and no file of one, or a wish is out of range.
        DataError: The run has no validation pictures, or a folder no pictures.

    Example:
        >>> files = edgecnn.calibrate("runs/tiny", keep=90)
        >>> [(file.name, file.certainty.temperature > 0) for file in files]
        [('tiny-fp32.onnx', True), ('tiny-int8.onnx', True)]
    """
    wish = Wish(score=score, keep_percent=keep, max_risk_percent=max_risk)
    return verb(resolve.path(target), wish, [Path(folder) for folder in others], only_unseen)
