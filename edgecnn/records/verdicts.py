"""Comparisons of a model file's answers with others on the same pictures: Verdict and Parity."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.common import stats
from edgecnn.records import gates
from edgecnn.records.artifact import Artifact, Parity, Verdict
from edgecnn.records.gates import Gate, Outcome

ROUNDING = 1e-5
"""How much two summation orders of float32 may differ, as a share of the largest logit."""


def judge(
    logits: npt.NDArray[np.float32],
    reference: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    max_drop_pp: float,
) -> Verdict:
    """Compare a file's logits with the run's on the same pictures.

    The file passes if the whole interval of its accuracy drop is at most `max_drop_pp`, fails if the whole interval is
    above it, and otherwise cannot tell. If all logits equal the run's but for rounding, the drop is exactly 0. A
    degenerate file, whose logits are not finite or which predicts one class for every picture, fails.

    Args:
        logits: The file's logits (N, K).
        reference: The run's logits (N, K).
        labels: The true classes (N,).
        max_drop_pp: The largest drop that passes, in percentage points.
    """
    n = len(labels)
    predicted, expected = logits.argmax(1), reference.argmax(1)
    correct, correct_before = predicted == labels, expected == labels
    gained, lost = int((correct & ~correct_before).sum()), int((~correct & correct_before).sum())
    accuracy = stats.wilson(int(correct.sum()), n)
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
        reference_top1_percent=100 * float(correct_before.mean()),
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
    """Hold a drop on n pictures against the largest that passes; return (outcome, sentence that says why)."""
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
    """Return the check of the file `name` as a gate."""
    how = f"{name} did not pass its check" if verdict.check == "fail" else name
    return Gate(limit="max-drop", subject=name, outcome=verdict.check, sentence=f"{how}: {verdict.reason}")


def parity(artifact: Artifact, other: Artifact, values: npt.NDArray[Any], others: npt.NDArray[Any]) -> Parity | None:
    """Compare two files' 8-bit output tensors (N, K); return None if they do not share one scale.

    int8 values with zero point z and uint8 values with zero point z + 128 are the same numbers.
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
