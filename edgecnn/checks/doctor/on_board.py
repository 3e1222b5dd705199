"""Examines a file on a board: does it load there, and does it answer as it does here?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from edgecnn import boards
from edgecnn.checks.doctor.finding import Finding
from edgecnn.checks.doctor.model import ExaminedModel
from edgecnn.common import scratch
from edgecnn.errors import EdgecnnError
from edgecnn.onboard import tensors
from edgecnn.onboard.job import Job
from edgecnn.onboard.runner import selftest
from edgecnn.onboard.runtimes import for_format, get
from edgecnn.records import artifact as artifacts
from edgecnn.records.artifact import Artifact
from edgecnn.records.environment import Environment

SHOWN = 8
"""Number of random images that are run."""


def look(artifact: Artifact, board: str) -> tuple[Environment, list[Finding]]:
    """Load and run a file on a board; return the board's environment and the findings.

    Raises:
        LinkError, BoardUnfit: If the board cannot be reached or used.
    """
    with boards.open_board(board) as there:
        facts = there.facts()
        return facts, list(_run(artifact, there, facts.packages))


def _run(artifact: Artifact, there: boards.Board, packages: Mapping[str, str]) -> Iterator[Finding]:
    runtime = for_format(artifact.description.format)[0]
    package = get(runtime).PACKAGE
    if package not in packages:
        yield Finding(
            level="wrong", subject=there.name, evidence=f"it has no {package}", mend=f"install {package} there"
        )
        return
    size = artifact.preprocessing
    shape = (SHOWN, size.height, size.width, size.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with scratch.folder() as folder:
        path = folder / "images.npy"
        np.save(path, images)
        job = Job.for_artifact(artifact, runtime, replay=str(path))
        try:
            answers = np.array(there.run(job).replay)
        except EdgecnnError as error:
            mend = error.hint or "write it for that runtime"
            yield Finding(level="wrong", subject=there.name, evidence=error.sentence, mend=mend)
            return
    spec = artifacts.TensorSpec(**{**vars(artifact.description.input), "layout": "NHWC"})
    here = ExaminedModel(artifact.path, artifact.description).outputs(tensors.encode(images, spec, size))
    comparison = selftest.compare(answers.astype(here.dtype), here)
    level = {"identical": "ok", "within": "note", "different": "wrong"}[comparison.verdict]
    evidence = f"loads in {package} {packages[package]} and answers {comparison.verdict} to here: {comparison.sentence}"
    evidence += f", n {SHOWN}"
    if level == "ok":
        yield Finding(level="ok", subject=there.name, evidence=evidence)
    else:
        mend = "edgecnn verify FILE --board BOARD says from which layer on"
        yield Finding(level="note" if level == "note" else "wrong", subject=there.name, evidence=evidence, mend=mend)
