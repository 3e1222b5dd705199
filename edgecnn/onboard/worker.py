"""The program that measures: `python worker.pyz facts`, or `python worker.pyz run` with a Job as JSON on stdin.

It prints one line of JSON on stdout, {"facts": ...}, {"outcome": ...} or {"error": ...}, and exits with the error's
code. Whatever a C library prints goes to stderr.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecnn.common import bugs, config, documents
from edgecnn.common.documents import LARGEST_JSON, Unreadable
from edgecnn.errors import EXIT_PASS, EXIT_USAGE, UsageError
from edgecnn.onboard import measure, opening
from edgecnn.onboard.job import Job, Outcome
from edgecnn.records import environment

BYTES_PER_THREAD = 32_000_000
"""The memory of a thread: its stack and its heap."""
BYTES_PER_PIXEL = 12
"""The memory of a replayed pixel: all images are held at once, as floats, on the way there, and as answers."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one command on the real stdout, and return the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.stdout.flush()
    answer_fd = os.dup(1)
    os.dup2(2, 1)  # a library that prints from C++ must not break the line
    code = EXIT_PASS
    try:
        answer = _answer(arguments)
    except Exception as problem:
        error = bugs.explained(problem)
        code = error.exit_code
        answer = {"error": {"kind": type(error).__name__, "sentence": error.sentence, "hint": error.hint}}
    with os.fdopen(answer_fd, "w", encoding="utf-8") as stream:
        stream.write(documents.to_json(answer, None) + "\n")
    return code


def _answer(arguments: Sequence[str]) -> dict[str, Any]:
    """Do one command; returns its answer as JSON takes it."""
    if list(arguments) == ["facts"]:
        return {"facts": environment.to_table(environment.here())}
    if list(arguments) == ["run"]:
        try:
            table = documents.table(sys.stdin.read(LARGEST_JSON + 1))
        except Unreadable as error:
            raise UsageError(f"The job on stdin is no job: {error}.") from error
        return {"outcome": dataclasses.asdict(_run(config.build(Job, table, "job")))}
    raise UsageError("The worker knows two commands.", f"facts, run; exit code {EXIT_USAGE} is this one")


def _run(job: Job) -> Outcome:
    """Do a job within bounds: what a file of its size may take, and what its threads and its images take."""
    model = Path(job.model)
    arrays = [Path(path) for path in (job.replay, job.accuracy and job.accuracy.labels) if path]
    image_bytes = sum(path.stat().st_size for path in arrays if path.is_file())
    if job.survey:  # all its files are open at once
        image_bytes += sum(path.stat().st_size for path in Path(job.survey.folder).iterdir())
    opening.bound_for_life(model, job.num_threads * BYTES_PER_THREAD + image_bytes * BYTES_PER_PIXEL)
    with opening.opening(model):
        return measure.run(job)
