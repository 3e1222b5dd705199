"""Commands on damaged files: how each one ended, in a child of a process that has all imports warm.

A command holds if it ends by itself within LONGEST_S and LARGEST_MB of memory, and either passes or says one sentence
("error: ..."). So does a training that has begun: how large a net to train is the user's choice. It does not hold if it
shows a traceback, says that it met a bug of ours (exit code 70), dies by a signal without a word, hangs, or takes more
memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mutate
import psutil

LONGEST_S = 20.0
"""The limit of CPU time, which does not depend on what else the machine does."""
WALL_S = 120.0
"""A command that waits for something is ended then."""
LARGEST_MB = 1000
COUNT = 1600
WARM = ("edgecnn.cli", "numpy", "PIL.Image", "onnx", "onnxruntime", "ai_edge_litert.interpreter", "rich")
KEPT_FAILURES = 20
HELD = ("passed", "sentence", "at work")
PR_SET_PDEATHSIG = 1
BUG = 70


@dataclass(frozen=True, kw_only=True)
class Target:
    """A file in its folder, and commands that read it."""

    folder: Path
    """Copied for each process that damages; the commands run there."""
    file: str
    """The one that is damaged, below `folder`."""
    commands: tuple[tuple[str, ...], ...]
    """Arguments of `edgecnn`; the damaged files take turns with them."""
    mutate: Callable[[bytes, random.Random], bytes] = mutate.bytes_of
    at_work: str = ""
    """What a command says once it has taken the file for good and goes about work that may take long."""
    refused: bool = False
    """Whether every damage is to be refused: a command that passes has taken what it should not."""
    keeps: bool = False
    """Whether the commands leave the folder as it was; else it is copied anew after each."""


@dataclass(kw_only=True)
class Ended:
    """The end of one command: its outcome, its time and its messages."""

    outcome: str
    code: int
    seconds: float
    peak_mb: float
    said: str
    printed: str = ""
    command: tuple[str, ...] = ()
    number: int = 0
    target: int = 0


@dataclass(kw_only=True)
class Counts:
    """The outcomes of many commands, counted."""

    tried: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    slowest_s: float = 0.0
    largest_mb: float = 0.0
    not_held: list[dict[str, Any]] = field(default_factory=list)

    def add(self, ended: Ended) -> None:
        self.tried += 1
        self.outcomes[ended.outcome] = self.outcomes.get(ended.outcome, 0) + 1
        self.slowest_s = round(max(self.slowest_s, ended.seconds), 1)
        self.largest_mb = round(max(self.largest_mb, ended.peak_mb))
        if ended.outcome not in HELD:
            self.not_held.append(
                {
                    "outcome": ended.outcome,
                    "exit_code": ended.code,
                    "command": " ".join(ended.command),
                    "target": ended.target,
                    "number": ended.number,
                    "seconds": round(ended.seconds, 1),
                    "peak_mb": round(ended.peak_mb),
                    "said": ended.said[-300:],
                }
            )

    def table(self) -> dict[str, Any]:
        """Return the counts as JSON takes them."""
        return {
            "tried": self.tried,
            "held": self.tried - len(self.not_held),
            "outcomes": dict(sorted(self.outcomes.items())),
            "slowest_s": self.slowest_s,
            "largest_mb": self.largest_mb,
            "not_held": self.not_held,
        }


def attack(
    kind: str, targets: Sequence[Target], scratch: Path, count: int = COUNT, warm: Sequence[str] = ()
) -> dict[str, Any]:
    """Damage the targets `count` times in all, a command each, on two cores; failures are kept in `scratch`.

    `warm` names modules beyond WARM whose import the commands need not wait for.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    counts = Counts()
    context = multiprocessing.get_context("spawn")
    processes = min(2, os.cpu_count() or 1)
    with context.Pool(processes, warm_up, ((*WARM, *warm),)) as pool:
        shares = [(kind, targets, scratch, range(share, count, processes)) for share in range(processes)]
        for ends in pool.imap_unordered(_share, shares):
            for ended in ends:
                counts.add(ended)
    counts.not_held.sort(key=lambda failure: failure["number"])
    return counts.table()


def damaged(kind: str, target: Target, number: int) -> bytes:
    """The content of damage `number`, to have one again."""
    return target.mutate((target.folder / target.file).read_bytes(), random.Random(f"{kind} {number}"))


def run(command: Sequence[str], folder: Path, longest_s: float = LONGEST_S, at_work: str = "") -> Ended:
    """One `edgecnn` command in a child of this process, in `folder`; `longest_s` of CPU time, and WALL_S or longer."""
    out, err = folder / ".stdout", folder / ".stderr"
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        become(command, folder, out, err)
    status, usage = _wait(pid, began + max(WALL_S, longest_s), longest_s)
    seconds = usage.ru_utime + usage.ru_stime
    printed, said = (
        path.read_text(encoding="utf-8", errors="surrogateescape") if path.is_file() else "" for path in (out, err)
    )
    told = "error: " in said or '"error": ' in printed  # or in its line of JSON
    peak_mb = usage.ru_maxrss / 1000
    code = -signal.SIGKILL if status is None else os.waitstatus_to_exitcode(status)
    for path in (out, err):
        path.unlink(missing_ok=True)
    if (status is None or peak_mb > LARGEST_MB) and at_work and at_work in said:
        outcome = "at work"
    elif status is None or seconds > longest_s:
        outcome = "hang"
    elif "Traceback (most recent call last)" in said or code == BUG:
        outcome = "traceback"
    elif code < 0 or code > 128:
        outcome = "silent death"
    elif code != 0 and not told:
        outcome = "no sentence"
    elif peak_mb > LARGEST_MB:
        outcome = "memory"
    else:
        outcome = "sentence" if code else "passed"
    return Ended(
        outcome=outcome, code=code, seconds=seconds, peak_mb=peak_mb, said=said, printed=printed, command=tuple(command)
    )


def warm_up(names: Sequence[str]) -> None:
    """Import what the commands will need, so that their children find it there."""
    for name in names:
        with contextlib.suppress(ImportError):
            __import__(name)


def _share(work: tuple[str, Sequence[Target], Path, range]) -> list[Ended]:
    kind, targets, scratch, numbers = work
    ends = []
    for number in numbers:
        place = number % len(targets)
        target = targets[place]
        folder = scratch / f"{kind}-{numbers.start}-{place}"
        if not (folder.is_dir() and target.keeps):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(target.folder, folder, symlinks=True)
        content = damaged(kind, target, number)
        (folder / target.file).write_bytes(content)
        command = target.commands[number // len(targets) % len(target.commands)]
        ended = run(command, folder, at_work=target.at_work)
        ended.number, ended.target = number, place
        if target.refused and ended.outcome == "passed" and content != (target.folder / target.file).read_bytes():
            ended.outcome = "taken"
        if ended.outcome not in HELD:
            failures = scratch / "failures"
            failures.mkdir(exist_ok=True)
            if len(list(failures.iterdir())) < KEPT_FAILURES:
                (failures / f"{kind}-{number}-{Path(target.file).name}").write_bytes(content)
        ends.append(ended)
    return ends


def become(command: Sequence[str], folder: Path, out: Path, err: Path) -> None:
    """Become `edgecnn COMMAND` in a session of its own, in the child. Does not return."""
    code = 1
    try:
        os.setsid()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.chdir(folder)
        for descriptor, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(0, "r", encoding="utf-8"),
            os.fdopen(1, "w", encoding="utf-8"),
            os.fdopen(2, "w", encoding="utf-8"),
        )
        sys.argv = ["edgecnn", *command]
        try:
            code = _main(command)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            import traceback

            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _main(command: Sequence[str]) -> int:
    """Be the command line, or, for `pyz BUNDLE ...`, the program that a bundle brings to a device."""
    if command[0] == "pyz":
        from edgecnn.onboard.runner import cli as runner

        return runner.main(Path(command[1]).resolve(), command[2:])
    from edgecnn import cli

    cli.main()
    return 0


def _wait(pid: int, end: float, longest_s: float) -> tuple[int | None, Any]:
    """The status and resources of a child; None for one that was killed, with its group, at `end` or for its CPU time.

    A little more than `longest_s` is let pass, so that what ends by itself is told from what does not.
    """
    looks = 0
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return status, usage
        looks += 1
        if time.monotonic() > end or (looks % 100 == 0 and _cpu_seconds(pid) > longest_s + 2):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _, _, usage = os.wait4(pid, 0)
            return None, usage
        time.sleep(0.005)


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and of those it has started."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        members = [process, *process.children(recursive=True)]
        return sum(sum(member.cpu_times()[:4]) for member in members)
    return 0.0
