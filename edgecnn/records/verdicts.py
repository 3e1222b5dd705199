"""What the answers of a model file are worth against others on the same pictures: a Verdict, and Parity."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.common import stats
from edgecnn.records import gates
from edgecnn.records.artifact import Artifact, Parity, Verdict
from edgecnn.records.gates import Gate, Outcome

ROUNDING = 1e-5
"""By how much of the largest logit two orders of the same float32 sums may differ."""


def judge(
    logits: npt.NDArray[np.float32],
    reference: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    max_drop_pp: float,
) -> Verdict:
    """A file's logits (N, K) against the run's, on the same pictures.

    It passes if the whole interval of its drop in accuracy is at most max_drop_pp percentage points, fails if none of
    it is, and else cannot tell. Logits that are the run's to rounding have an exact drop of 0. A degenerate file
    (logits that are no numbers, or one class for every picture) fails.
    """
    n = len(labels)
    predicted, expected = logits.argmax(1), reference.argmax(1)
    right, right_before = predicted == labels, expected == labels
    gained, lost = int((right & ~right_before).sum()), int((~right & right_before).sum())
    accuracy = stats.wilson(int(right.sum()), n)
    drop, low, high = stats.paired_drop_pp(gained, lost, n)
    finite = np.isfinite(logits).all(1)
    both = finite & np.isfinite(reference).all(1)
    difference = np.abs(logits[both] - reference[both])
    exact = bool((predicted == expected).all() and both.all()) and float(
        difference.max(initial=0.0)
    ) <= ROUNDING * float(np.abs(reference).max(initial=0.0))
    outcome: Outcome = "fail"
    if not finite.all():
        reason = f"the logits of {n - int(finite.sum())} pictures are not numbers"
    elif len(np.unique(predicted)) == 1 and len(np.unique(labels)) > 1:
        reason = f"every picture is called class {predicted[0]}"
    else:
        outcome, reason = hold(gained, lost, n, exact, max_drop_pp)
    return Verdict(
        passed=outcome == "pass",
        reason=reason,
        n=n,
        top1_percent=accuracy.percent,
        top1_low_percent=accuracy.low_percent,
        top1_high_percent=accuracy.high_percent,
        reference_top1_percent=100 * float(right_before.mean()),
        drop_pp=drop,
        drop_low_pp=low,
        drop_high_pp=high,
        p_value=stats.mcnemar_exact(gained, lost),
        agreement_percent=100 * float((predicted == expected).mean()),
        gained=gained,
        lost=lost,
        max_logit_difference=float(difference.max(initial=0.0)),
        max_drop_pp=max_drop_pp,
        outcome=outcome,
        exact=exact,
    )


def hold(gained: int, lost: int, n: int, exact: bool, max_drop_pp: float) -> tuple[Outcome, str]:
    """How a drop on n pictures comes out against the largest that passes, and the sentence that says why."""
    drop, low, high = stats.paired_drop_pp(gained, lost, n)
    allowed = f"at most {max_drop_pp:.2f} pp allowed"
    if exact:
        return gates.at_most(0.0, 0.0, max_drop_pp), f"drop 0.00 pp, exactly, {allowed}"
    outcome = gates.at_most(low, high, max_drop_pp)
    reason = f"drop {drop:.2f} pp [{low:+.2f}, {high:+.2f}], {allowed}"
    if outcome == "cannot tell":
        reason += f", {gates.doubt(n, stats.needed_n(n, drop, low, high, max_drop_pp))}"
    return outcome, reason


def gate(name: str, verdict: Verdict) -> Gate:
    """The check of a file by that name, as it came out."""
    how = f"{name} did not pass its check" if verdict.check == "fail" else name
    return Gate(limit="max-drop", subject=name, outcome=verdict.check, sentence=f"{how}: {verdict.reason}")


def parity(artifact: Artifact, other: Artifact, values: npt.NDArray[Any], others: npt.NDArray[Any]) -> Parity | None:
    """How far two files' 8-bit output tensors (N, K) are apart; None if they do not share one scale.

    int8 with zero point z and uint8 with z + 128 are the same numbers.
    """
    spec, other_spec = artifact.description.output, other.description.output
    steps, other_steps = _steps(values, spec.zero_point), _steps(others, other_spec.zero_point)
    if steps is None or other_steps is None or spec.scale != other_spec.scale:
        return None
    difference = np.abs(steps - other_steps)
    return Parity(
        against=other.name,
        n=len(values),
        max_lsb=int(difference.max()),
        differing_percent=100 * float((difference > 0).mean()),
        agreement_percent=100 * float((steps.argmax(1) == other_steps.argmax(1)).mean()),
    )


def _steps(values: npt.NDArray[Any], zero_point: int | None) -> npt.NDArray[np.int32] | None:
    if values.dtype not in (np.int8, np.uint8) or zero_point is None:
        return None
    return values.reshape(len(values), -1).astype(np.int32) - zero_point
