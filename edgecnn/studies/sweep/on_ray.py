"""A sweep on a Ray cluster: Ray runs the workers, and starts one again that was lost; Optuna's study stays the search.

Ray Tune is not used. Its searcher for Optuna keeps in the driver's memory which trial is which, so that a driver that
is killed leaves trials that nobody finishes, and a second one cannot join; it prunes by schedulers of its own and not
by Optuna's pruners, and resumes from checkpoints of its own and not from a run's; and it needs pandas and pyarrow. A
worker that is a Ray task needs none of that: `max_retries=-1` starts it anew wherever there is room, and it resumes
the trial that its predecessor left.
"""

from __future__ import annotations

import contextlib
import os
import socket
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from edgecnn.common import console, plugins
from edgecnn.common.escapes import say
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, MissingPackage, UsageError
from edgecnn.studies.sweep import study as studies
from edgecnn.studies.sweep import worker
from edgecnn.studies.sweep.study import SweepJob

LOCAL = "ray"
"""The address that means a Ray of this machine's own, started for the sweep and ended with it."""
CLIENT = "ray://"
ANSWER_S = 10.0
"""How long an address has to answer."""


def require(address: str) -> None:
    """Raise UsageError for an address that is none of Ray's, MissingPackage if Ray or its client is not installed."""
    if address != LOCAL and ":" not in address:
        raise UsageError(
            f"--on {address!r} is no place to work.", "ray for one of this machine's own, or ray://HOST:10001"
        )
    packages = ("ray", "grpc") if address.startswith(CLIENT) else ("ray",)
    for package in packages:
        if find_spec(package) is None:
            raise MissingPackage({"grpc": "grpcio"}.get(package, package), "ray", "A sweep on Ray")


def work(job: SweepJob, until: float, address: str, jobs: int) -> None:
    """Work on a sweep with Ray tasks.

    The nodes need edgecnn, and the sweep's folder at the same path; or else a database that all can reach, and then a
    trial that moves to another node is trained from its beginning.

    Args:
        job: The sweep.
        until: When to stop, as `time.time` tells it.
        address: LOCAL, or a cluster's.
        jobs: Workers; 0 takes one for each CPU of the cluster.

    Raises:
        MissingPackage, UsageError: As `require` does.
        EnvironmentUnfit: The cluster cannot be reached, or a worker gave up.
    """
    require(address)
    import ray

    with connected(address, jobs):
        slots = jobs or max(1, int(ray.cluster_resources().get("CPU", 1)))
        task: Any = ray.remote(num_cpus=1, max_retries=-1)(_worker)
        pending = [task.remote(studies.to_table(job), until) for _ in range(slots)]
        console.note(f"{slots} workers on {address}")
        while pending:
            ready, pending = ray.wait(pending, timeout=1)
            for done in ready:
                if problem := ray.get(done):
                    raise EnvironmentUnfit(problem, "the same command goes on with the sweep")


def _worker(table: dict[str, Any], until: float) -> str:
    """Work until the sweep is done; return the sentence of what keeps this node from it, if anything does."""
    try:
        worker.work(studies.from_table(table), until, lambda outcome: say(worker.line(outcome), flush=True))
    except EdgecnnError as error:
        return error.sentence
    return ""


@contextlib.contextmanager
def connected(address: str, jobs: int) -> Iterator[None]:
    """Start a local Ray, or connect to a cluster, for the block. Raises EnvironmentUnfit if it does not answer."""
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {"address": address}
    if address == LOCAL:
        options = {"address": "local", "num_cpus": jobs or None, "include_dashboard": False}
    else:
        _require_answer(address)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ray.init(**options, logging_level="ERROR")
        except Exception as error:  # Ray has many errors for a cluster that does not answer
            raise EnvironmentUnfit(f"Ray cannot be reached at {address}: {plugins.reason(error)}.") from error
        try:
            yield
        finally:
            ray.shutdown()


def _require_answer(address: str) -> None:
    """Raise EnvironmentUnfit if nobody listens at an address; Ray itself would try for minutes."""
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EnvironmentUnfit(f"No Ray answers at {address}: {reason}.", "`ray status` says more there") from error
