"""Is a file still the net it came from? Every file is run on the whole test split, as a device would run it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgecnn import artifact as artifacts
from edgecnn import nets, quantize, runtimes, stats
from edgecnn.artifact import Artifact, Parity, Verdict
from edgecnn.data import Pictures, Split
from edgecnn.run import Run

BATCH = 256
"""Pictures that are encoded, or shown to the net, at a time."""


def reference_logits(run: Run, pictures: Pictures) -> npt.NDArray[np.float32]:
    """The run's own float32 logits (N, K) of uint8 pictures (N, H, W, C)."""
    net = nets.restore(run)
    with torch.inference_mode():
        parts = [net(quantize.normalised(pictures[i : i + BATCH], run)).numpy() for i in range(0, len(pictures), BATCH)]
    logits: npt.NDArray[np.float32] = np.concatenate(parts)
    return logits


def outputs(artifact: Artifact, pictures: Pictures) -> npt.NDArray[Any]:
    """The file's output tensors (N, K), in its own type, of uint8 pictures (N, H, W, C), one picture a call.

    Two halves run at once where there are two cores: each has its own session, and a runtime holds no GIL.
    Raises ModelFileError if the runtime refuses the file.
    """
    description = artifact.description
    runtime = runtimes.get(runtimes.for_format(description.format)[0])

    def run_share(first: int, end: int) -> list[npt.NDArray[Any]]:
        session = runtime.open(artifact.path, num_threads=1)
        results = []
        for start in range(first, end, BATCH):
            shown = pictures[start : min(start + BATCH, end)]
            encoded = artifacts.encode(shown, description.input, artifact.preprocessing)
            results += [session(encoded[i : i + 1]) for i in range(len(encoded))]
        return results

    bounds = np.linspace(0, len(pictures), min(2, os.cpu_count() or 1, len(pictures)) + 1).astype(int).tolist()
    with ThreadPoolExecutor(len(bounds) - 1) as pool:
        return np.concatenate([result for results in pool.map(run_share, bounds, bounds[1:]) for result in results])


def check(artifact: Artifact, test: Split, reference: npt.NDArray[np.float32], max_drop_pp: float) -> Verdict:
    """Run the file on the test split and judge it against the run's reference logits (N, K)."""
    logits = artifacts.decode(outputs(artifact, test.pictures), artifact.description.output)
    return judge(logits, reference, test.labels, max_drop_pp)


def judge(
    logits: npt.NDArray[np.float32],
    reference: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    max_drop_pp: float,
) -> Verdict:
    """A file's logits (N, K) against the run's, on the same pictures.

    It passes if its accuracy is at most max_drop_pp percentage points below the run's. A degenerate one (logits
    that are no numbers, or one class for every picture) never passes.
    """
    n = len(labels)
    predicted, expected = logits.argmax(1), reference.argmax(1)
    right, right_before = predicted == labels, expected == labels
    gained, lost = int((right & ~right_before).sum()), int((~right & right_before).sum())
    accuracy = stats.wilson(int(right.sum()), n)
    drop, low, high = stats.paired_drop_pp(gained, lost, n)
    finite = np.isfinite(logits).all(1)
    difference = np.abs(logits[finite] - reference[finite])
    reason = f"drop {drop:.2f} pp, at most {max_drop_pp:.2f} pp allowed"
    degenerate = True
    if not finite.all():
        reason = f"the logits of {n - int(finite.sum())} pictures are not numbers"
    elif len(np.unique(predicted)) == 1 and len(np.unique(labels)) > 1:
        reason = f"every picture is called class {predicted[0]}"
    else:
        degenerate = False
    return Verdict(
        passed=not degenerate and drop <= max_drop_pp,
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
    )


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
