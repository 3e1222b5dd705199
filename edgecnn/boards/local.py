"""This machine as a board: the worker runs under the Python that runs `edgecnn`."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from edgecnn.boards import _reply
from edgecnn.common import config, documents, scratch
from edgecnn.errors import UsageError
from edgecnn.onboard import archive
from edgecnn.onboard.job import Job, Outcome
from edgecnn.records.environment import Environment


@contextlib.contextmanager
def open_board(address: str) -> Iterator[LocalBoard]:
    """Write the worker's archive into a temporary folder. Raises UsageError for an address, for there is none."""
    if address:
        raise UsageError(f"The board 'local' has no address, not {address!r} either.", "--board local")
    with scratch.folder() as folder:
        worker = folder / "worker.pyz"
        archive.write_worker(worker)
        yield LocalBoard(worker)


class LocalBoard:
    """A board that starts a fresh process for every job, from the archive that a remote board would get."""

    name = "local"
    keeps_time = True
    counts_instructions = True

    def __init__(self, worker: Path) -> None:
        self._worker = worker

    def facts(self) -> Environment:
        return _reply.facts(*self._call("facts", ""))

    def run(self, job: Job) -> Outcome:
        return _reply.outcome(job, *self._call("run", documents.to_json(config.table_of(job), None)))

    def _call(self, command: str, stdin: str) -> tuple[int, str, str]:
        """Run the worker: (return code, stdout, stderr). An interrupt ends it too, for `subprocess.run` kills it."""
        # The archive comes first on the worker's path, so no other edgecnn can take its place.
        done = subprocess.run(
            [sys.executable, str(self._worker), command],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        return done.returncode, done.stdout, done.stderr
