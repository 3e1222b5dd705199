"""The check that a file is still the net it came from: it is run on the whole test split as a device would run it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import nets
from edgecnn.common import stats
from edgecnn.data import Images, Split
from edgecnn.errors import RunError
from edgecnn.nets import inference
from edgecnn.onboard import runtimes, tensors
from edgecnn.records import verdicts
from edgecnn.records.artifact import Artifact, Verdict
from edgecnn.records.run import Run

BATCH = 256
"""How many pictures are encoded at a time."""


def reference_logits(run: Run, pictures: Images) -> npt.NDArray[np.float32]:
    """Compute the run's own float32 logits (N, K) for uint8 pictures (N, H, W, C)."""
    logits: npt.NDArray[np.float32] = inference.logits(nets.restore(run), pictures, run.mean, run.std).numpy()
    return logits


def require_as_trained(run: Run, validation: Split) -> None:
    """Check that the run's net is about as accurate on its validation pictures as when it was trained.

    Early runs have no digest of their weights, and pictures can change too. The 95 % Wilson intervals of the two
    accuracies are compared, although on the same pictures they should be equal.

    Raises:
        RunError: The net is far less accurate now.
    """
    if not len(validation) or not run.validation_n:
        return
    correct = int((reference_logits(run, validation.images).argmax(1) == validation.labels).sum())
    now = stats.wilson(correct, len(validation))
    then = run.validation_top1
    if now.high_percent < then.low_percent:
        raise RunError(
            f"{run.name} was right on {then} of its validation pictures when it was trained, and is on {now} now: "
            "its weights or its pictures have changed since.",
            "restore them from a copy, or train again",
        )


def outputs(artifact: Artifact, pictures: Images) -> npt.NDArray[Any]:
    """Run a file on uint8 pictures (N, H, W, C), one per call, and return its output tensors (N, K) in their own type.

    Where there are two cores, two halves run at once; each has its own session, and runtimes release the GIL.

    Raises:
        ModelFileError: The runtime refuses the file.
    """
    description = artifact.description
    runtime = runtimes.get(runtimes.for_format(description.format)[0])

    def run_share(first: int, end: int) -> list[npt.NDArray[Any]]:
        session = runtime.open_session(artifact.path, num_threads=1, output=description.output.name)
        results: list[npt.NDArray[Any]] = []
        for start in range(first, end, BATCH):
            shown = pictures[start : min(start + BATCH, end)]
            encoded = tensors.encode(shown, description.input, artifact.preprocessing)
            results += runtimes.run_each(session, encoded)
        return results

    bounds = np.linspace(0, len(pictures), min(2, os.cpu_count() or 1, len(pictures)) + 1).astype(int).tolist()
    with ThreadPoolExecutor(len(bounds) - 1) as pool:
        return np.concatenate([result for results in pool.map(run_share, bounds, bounds[1:]) for result in results])


def check(artifact: Artifact, test: Split, reference: npt.NDArray[np.float32], max_drop_pp: float) -> Verdict:
    """Run the file on the test split and compare it with the run's reference logits (N, K)."""
    logits = tensors.decode(outputs(artifact, test.images), artifact.description.output)
    return verdicts.judge(logits, reference, test.labels, max_drop_pp)
