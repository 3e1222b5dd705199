"""The raw outputs of a model file somewhere: in this process, or in a worker's on a board."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.boards import Board
from edgecnn.checks.verify import prefixes
from edgecnn.common import scratch
from edgecnn.formats import Inner
from edgecnn.onboard import measure
from edgecnn.onboard.job import Job
from edgecnn.pipeline.bench.candidates import Candidate


@dataclass(frozen=True)
class Seat:
    """A file on a runtime on a machine."""

    candidate: Candidate
    board: Board | None
    """None: this process."""

    @property
    def path(self) -> Path:
        return self.candidate.artifact.path

    def outputs(self, images: Path) -> npt.NDArray[Any]:
        """The output tensor, flat (N, K) and in its own type, of the pictures in a .npy file, uint8 (N, H, W, C).

        Raises ModelFileError if the runtime refuses the file; EnvironmentUnfit or LinkError if the board failed.
        """
        return self._run(self._job(self.path, images), self.candidate.artifact.description.output.dtype)

    def inner(self, tensor: Inner, images: Path) -> npt.NDArray[Any]:
        """What an inner tensor holds, flat (N, K), by the prefix of the file that ends there."""
        with scratch.folder() as folder:
            path = folder / f"prefix{self.path.suffix}"
            path.write_bytes(prefixes.prefix(self.path, tensor.name))
            return self._run(self._job(path, images), tensor.dtype)

    def _job(self, model: Path, images: Path) -> Job:
        job = Job.for_artifact(self.candidate.artifact, self.candidate.runtime, replay=str(images))
        return dataclasses.replace(job, model=str(model.resolve()))

    def _run(self, job: Job, dtype: str) -> npt.NDArray[Any]:
        outcome = measure.run(job) if self.board is None else self.board.run(job)
        return np.array(outcome.replay, dtype=dtype)


def pictures(images: npt.NDArray[np.uint8], chosen: Sequence[int], folder: Path) -> Path:
    """Some pictures of (N, H, W, C) as a .npy file of their own."""
    with tempfile.NamedTemporaryFile(prefix="pictures-", suffix=".npy", dir=folder, delete=False) as file:
        np.save(file, images[list(chosen)])
    return Path(file.name)
