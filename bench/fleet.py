"""Measure what a rollout to up to 1,000 boards costs the machine that drives it; makes bench/results/fleet.json.

    python bench/fleet.py -o bench/results/fleet.json

Everything is real on this machine: the journal, a process for each board, the bundle, canaries, waves, soaks, records.
The boards are not: a stand-in for the link says at once what a board would say, so that nothing but the driver is
measured. Each size is a fresh process, and sizes take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import record

from edgecnn import boards as kinds
from edgecnn.boards.ssh import board_facts, provision, remote
from edgecnn.boards.ssh.link import CommandResult, Link
from edgecnn.common import cache, console, files
from edgecnn.common.stats import mean_interval
from edgecnn.errors import EdgecnnError
from edgecnn.fleets import fleet, rollout
from edgecnn.fleets.journal import FleetPlan
from edgecnn.formats import choose
from edgecnn.pipeline.deploy import bundle, deploy, golden_inputs
from edgecnn.pipeline.deploy.bundle import Bundle
from edgecnn.pipeline.deploy.soak import SoakPlan
from edgecnn.records import zoo

SIZES = (100, 300, 1000)
REPEATS = 2
CANARIES, REQUESTS = 10, 200


class StandIn(Link):
    """A link to a board that has nothing yet, and does at once and rightly what it is asked."""

    def __init__(self, name: str, facts: bytes, made: Bundle) -> None:
        super().__init__(name, ())
        self._facts = facts
        self._label = next(golden_inputs.inputs(made, 1))[1][0]
        self._current: str | None = None

    def run(self, argv: Sequence[str], stdin: bytes | IO[bytes] = b"", timeout_s: float = 0.0) -> CommandResult:
        """Answer as a board does."""
        return CommandResult(returncode=1 if argv[:2] == ["test", "-f"] else 0, stdout=self._said(argv), stderr="")

    def push(self, source: Path | bytes, target: str) -> None:
        """Take a file and forget it."""

    def _said(self, argv: Sequence[str]) -> bytes:
        if argv[0] == "sh":
            return self._facts
        if argv[0] == "test":
            return b""
        return json.dumps(self._answer(argv)).encode()

    def _answer(self, argv: Sequence[str]) -> dict[str, Any]:
        if "selftest" in argv:
            return {"verdict": "identical", "sentence": "every bit as exported", "max_lsb": 0}
        if "classify" in argv:
            return {"label": self._label}
        command = argv[argv.index("-") + 1]
        if command == "status":
            return {"current": self._current, "history": [], "releases": [], "models": {}, "serving": {}}
        if command == "switch":
            self._current = argv[-1]
            return {"before": None}
        if "/" in command:
            return {"requests": REQUESTS, "errors": 0, "first_error": None, "seconds": 0.0}
        return {}


def facts_here() -> bytes:
    """Return the facts of this machine as a board states them."""
    return subprocess.run(["sh", "-c", board_facts.SCRIPT, "sh"], capture_output=True, check=False).stdout


def driven(count: int, jobs: int) -> dict[str, float]:
    """Roll a model of the zoo out to so many boards in this process: seconds, CPU seconds, memory and bytes on disk."""
    made, facts = bundle.make(choose(zoo.located("zoo:fashion-10k"), "tflite", "int8")), facts_here()
    names = tuple(f"ssh://pi@board-{number:04}" for number in range(count))
    assert kinds.members(names) == names

    @contextlib.contextmanager
    def reach(board: str) -> Iterator[Link]:
        yield StandIn(board, facts, made)

    deploy.reach = reach
    parsed = board_facts.parse("board", facts.decode(errors="replace"), time.time())
    site = provision.archive_path(parsed, remote.packages())
    files.reproducible_zip(site, [("numpy/__init__.py", b"")])
    plan = FleetPlan(verb="deploy", boards=names, subject="")
    how = rollout.Rollout(canary=CANARIES, soak=SoakPlan(requests=REQUESTS))
    console.be_quiet(True)
    with tempfile.TemporaryDirectory() as folder:
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cpu, begun = _cpu_s(), time.perf_counter()
        result = rollout.roll_out(made, plan, how, Path(folder), jobs=jobs, resume=False)
        elapsed, cpu_after = time.perf_counter() - begun, _cpu_s()
        fleet.judge(result)
        disk = sum(path.stat().st_size for path in Path(folder).iterdir())
    return {
        "boards": count,
        "seconds": elapsed,
        "cpu_seconds": cpu_after - cpu,
        "driver_peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "driver_growth_bytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) * 1024,
        "largest_worker_peak_rss_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        "record_bytes": disk,
    }


def _cpu_s() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def line(runs: Sequence[dict[str, float]], key: str) -> dict[str, float]:
    """The straight line through a number by boards (least squares), and the largest deviation of a size's mean."""
    xs, ys = [run["boards"] for run in runs], [run[key] for run in runs]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum((x - mean_x) ** 2 for x in xs)
    start = mean_y - slope * mean_x
    off = [
        abs(sum(same) / len(same) / (start + slope * size) - 1)
        for size in sorted({*xs})
        if (same := [y for x, y in zip(xs, ys, strict=True) if x == size])
    ]
    return {"per_board": slope, "fixed": start, "largest_deviation_percent": 100 * max(off)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--output", type=Path, default=record.RESULTS / "fleet.json")
    parser.add_argument("--jobs", type=int, default=fleet.JOBS)
    parser.add_argument("--one", type=int, help="one size, in this process, as a line of JSON")
    options = parser.parse_args()
    if options.one:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_CACHE_HOME"] = folder
            assert str(cache.cache_folder()).startswith(folder)
            print(json.dumps(driven(options.one, options.jobs)))
        return 0
    runs = []
    try:
        for repeat in range(REPEATS):
            for size in kinds.in_turns(SIZES, repeat):
                command = [sys.executable, __file__, "--one", str(size), "--jobs", str(options.jobs)]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                runs.append(json.loads(done.stdout))
                console.note(f"{size} boards: {runs[-1]['seconds']:.1f} s")
        keys = ("seconds", "cpu_seconds", "driver_peak_rss_bytes", "record_bytes")
        fits = {key: line(runs, key) for key in keys}
        result = {"jobs": options.jobs, "canaries": CANARIES, "requests": REQUESTS, "lines": fits, "runs": runs}
        record.write(options.output, result)
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    for key, fit in fits.items():
        mean, low, high = mean_interval([run[key] / run["boards"] for run in runs if run["boards"] == SIZES[-1]])
        print(f"{key}: {fit['per_board']:.4g} a board, at most {fit['largest_deviation_percent']:.1f} % off the line; ")
        print(f"  at {SIZES[-1]} boards {mean:.4g} [{low:.4g}, {high:.4g}] a board, n {REPEATS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
