"""Several workers on this machine, each a process of its own; one that is killed is replaced by another."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from edgecnn.common import console, documents, signals
from edgecnn.common.escapes import say
from edgecnn.errors import EdgecnnError, EnvironmentUnfit
from edgecnn.pipeline.train import resources
from edgecnn.studies.sweep import study as studies
from edgecnn.studies.sweep import worker
from edgecnn.studies.sweep.study import SweepJob

LAST_WORDS = 300
"""How much of what a worker says when it fails is shown."""


def work(job: SweepJob, until: float, jobs: int) -> None:
    """Work on a sweep with several processes, which share the machine's cores.

    Args:
        job: The sweep.
        until: When to stop, as `time.time` tells it.
        jobs: How many processes.

    Raises:
        EnvironmentUnfit: A worker gave up.
    """
    begun: list[subprocess.Popen[str]] = []
    over = threading.Event()
    task = documents.to_json({**studies.to_table(job), "until": None if until == float("inf") else until}, None)
    environment = os.environ | {"OMP_NUM_THREADS": str(max(1, resources.here().cores // jobs))}

    def supervise() -> None:
        while not over.is_set():
            process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                encoding="utf-8", errors="replace", env=environment,
            )  # fmt: skip
            begun.append(process)
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            with process:
                process.stdin.write(f"{task}\n")
                process.stdin.flush()  # and stays open: its end tells the worker that we have ended
                for line in process.stdout:
                    console.note(line.rstrip())
                words = process.stderr.read().strip()
                code = process.wait()
            if not code or over.is_set():
                return
            if code > 0:
                raise EnvironmentUnfit(words[-LAST_WORDS:].rstrip(".") + ".", "the same command goes on with the sweep")
            console.warn(f"a worker was ended by {signals.ending_signal(code)}; another takes over what it had begun")

    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(supervise) for _ in range(jobs)]
        try:
            for future in futures:
                future.result()
        finally:
            over.set()
            for process in begun:
                process.kill()


def _main() -> int:
    """Be a worker: read the job from stdin, print a line for every trial, and end when the parent does."""
    task = documents.table(sys.stdin.readline())
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        worker.work(
            studies.from_table(task),
            float("inf") if task["until"] is None else task["until"],
            lambda outcome: say(worker.line(outcome), flush=True),
        )
    except EdgecnnError as error:
        say(error.sentence, file=sys.stderr)
        return error.exit_code
    return 0


def _end_with_the_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(_main())
