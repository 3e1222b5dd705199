"""Runs a model file in this process, or in a worker on a board, for its raw outputs."""

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
    """A file with the runtime and the machine it runs on."""

    candidate: Candidate
    board: Board | None
    """The board; None for this process."""

    @property
    def path(self) -> Path:
        return self.candidate.artifact.path

    def outputs(self, images: Path) -> npt.NDArray[Any]:
        """Return the output tensor for all images, flattened to (N, K), in its own type.

        Args:
            images: A .npy file with uint8 (N, H, W, C).

        Raises:
            ModelFileError: If the runtime refuses the file.
            EnvironmentUnfit, LinkError: If the board fails.
        """
        return self._run(self._job(self.path, images), self.candidate.artifact.description.output.dtype)

    def inner(self, tensor: Inner, images: Path) -> npt.NDArray[Any]:
        """Return an inner tensor, flattened to (N, K), by running the prefix of the file that ends there."""
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
    """Write the chosen ones of images (N, H, W, C) to a .npy file and return its path."""
    with tempfile.NamedTemporaryFile(prefix="pictures-", suffix=".npy", dir=folder, delete=False) as file:
        np.save(file, images[list(chosen)])
    return Path(file.name)
