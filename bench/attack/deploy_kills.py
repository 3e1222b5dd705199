"""SIGKILL of a deployment, or of the board's side of it, again and again, while models take turns under one name.

After each kill the old model or the new one answers, whole; nothing that was started is left running; the next
deployment goes through and leaves nothing of the killed one behind.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import _board
import psutil

SEED = 18
AT_COMMANDS = 16
"""Kills at the first, second … command that a deployment runs on the board."""
AT_RANDOM = 8
OF_THE_BOARD = 8
PATIENCE_S = 60.0
OWN = {"current", "history", "lock", "releases", "run"}

# Read before each command there: at the one that is counted to, the deployment is killed.
COUNTING = """
count=$(cat {folder}/count 2>/dev/null || echo 0); count=$((count + 1)); echo $count > {folder}/count
[ $count != "$(cat {folder}/kill-at 2>/dev/null)" ] || kill -KILL $(cat {folder}/victim)
"""


def attack(scratch: Path) -> dict[str, Any]:
    """Kills at each step, at random moments, and of the board's processes."""
    rng, not_held, kills = random.Random(SEED), list[dict[str, Any]](), 0
    with _board.target(scratch) as target:
        folder = target.board.folder
        numbers = itertools.cycle(range(_board.RUNS))
        _deploy(target, next(numbers))
        began = time.monotonic()
        _deploy(target, next(numbers))
        whole_s = time.monotonic() - began
        moments: list[tuple[str, float]] = [("at command", at + 2) for at in range(AT_COMMANDS)]
        moments += [("after seconds", rng.uniform(0, whole_s)) for _ in range(AT_RANDOM)]
        moments += [("the board after seconds", rng.uniform(0.3 * whole_s, whole_s)) for _ in range(OF_THE_BOARD)]
        for turn, (kind, moment) in enumerate(moments):
            target.board.limits.write_text(COUNTING.format(folder=folder), encoding="utf-8")
            (folder / "count").unlink(missing_ok=True)
            (folder / "kill-at").write_text(str(moment) if kind == "at command" else "never", encoding="utf-8")
            kills += _killed(target, next(numbers), kind, moment)
            target.board.limits.write_text("", encoding="utf-8")
            for fault in (*_faults(target), *_after_another(target, next(numbers))):
                not_held.append({"moment": f"{kind} {moment:.3g}", "turn": turn, "fault": fault})
    return {
        "tried": len(moments),
        "held": len(moments) - len({failure["turn"] for failure in not_held}),
        "kills": kills,
        "not_held": not_held,
    }


def _started(target: _board.Target, number: int) -> subprocess.Popen[bytes]:
    """A deployment in a process of its own, whose id the board can read."""
    words = [sys.executable, "-m", "edgecnn", *target.deploy(number)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    (target.board.folder / "victim").write_text(str(process.pid), encoding="utf-8")
    return process


def _deploy(target: _board.Target, number: int) -> None:
    process = _started(target, number)
    _, said = process.communicate(timeout=10 * PATIENCE_S)
    assert process.returncode == 0, said.decode()


def _killed(target: _board.Target, number: int, kind: str, moment: float) -> bool:
    """Kill one deployment and return whether the kill came before it had ended."""
    with _started(target, number) as process:
        assert process.stderr is not None
        if kind != "at command":
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moment)
                return False
        if kind == "the board after seconds":
            for server in target.board.processes(""):
                with contextlib.suppress(psutil.NoSuchProcess):
                    server.kill()
            target.board.cut()
        elif kind == "after seconds":
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=10 * PATIENCE_S)
        return process.returncode != 0


def _faults(target: _board.Target) -> list[str]:
    """List everything that is not as it should be after a kill."""
    faults = []
    end = time.monotonic() + PATIENCE_S
    while (running := target.board.processes("")) and time.monotonic() < end:
        time.sleep(0.05)
    if running:
        faults.append(f"left running: {[' '.join(process.cmdline())[:200] for process in running]}")
    done = subprocess.run([target.root / "run", "selftest"], capture_output=True, check=False, encoding="utf-8")
    if done.returncode:
        faults.append(f"the model there does not answer: {done.stderr[-200:]}")
    return faults


def _after_another(target: _board.Target, number: int) -> list[str]:
    """List the faults that the next deployment does not put right."""
    try:
        _deploy(target, number)
    except AssertionError as error:
        return [f"the next deployment fails: {error}"]
    faults = _faults(target)
    names = {path.name for path in target.root.iterdir()}
    releases = {path.name for path in (target.root / "releases").iterdir()}
    if names != OWN or len(releases) > 3 or any(name.startswith(".") for name in releases):
        faults.append(f"left behind: {sorted(names - OWN)}, {sorted(releases)}")
    if left := [path.name for path in target.board.home.rglob("*.part.*")]:
        faults.append(f"left behind: {left}")
    return faults
