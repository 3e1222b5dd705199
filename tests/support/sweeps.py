"""A sweep of the digits by the command line, whose workers are killed, and what it comes to."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from edgecnn.records.run import open_run

SMALL = ("epochs=1", "net.width=4", "net.depth=1", "batch_size=128", "num_threads=1", "precision=fp32")
"""Settings by which a trial takes a second."""
LONG = """
trials = 4
epochs = 8
[sampler]
name = "RandomSampler"
[space]
net.width = {choice = [4, 8]}
optim.lr = {low = 1e-3, high = 0.1, log = true}
"""


def command(folder: Path, *words: str) -> subprocess.Popen[str]:
    """A sweep of the plan LONG in a process of its own, into folder/sweeps/s."""
    (folder / "sweep.toml").write_text(LONG)
    settings = [word for key in SMALL for word in ("-s", key)]
    return subprocess.Popen(
        [sys.executable, "-m", "edgecnn", "sweep", "dscnn-digits", "sweep.toml", "--name", "s", *settings, *words],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def kill_at_work(folder: Path) -> bool:
    """Kill a process that holds a trial of which an epoch is over; return whether there was one."""
    for metrics in (folder / "runs").glob("*/metrics.csv"):
        # The lock is written or removed just now, or its holder is dead.
        with contextlib.suppress(OSError, ValueError):
            os.kill(json.loads((folder / "locks" / f"{metrics.parent.name}.lock").read_text())["pid"], signal.SIGKILL)
            return True
    return False


def weights(folder: Path) -> list[str | None]:
    """The digests of the trials' weights, in their order."""
    return [open_run(path).weights_sha256 for path in sorted((folder / "runs").iterdir())]


def told(folder: Path) -> list[int]:
    """The trials that the journal calls complete, as often as it does."""
    journal = [json.loads(line) for line in (folder / "journal.log").read_text().splitlines()]
    return sorted(entry["trial_id"] for entry in journal if entry.get("state") == 1 and "trial_id" in entry)
