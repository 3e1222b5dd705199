"""A process for each of many items, a bounded number at a time; one that crashes takes nothing else with it.

The processes are forked, so what the caller has loaded and made is there at once and in memory only once. Each is the
leader of a process group of its own: Ctrl-C reaches the caller, which passes it on once and waits. A process ends with
the caller, however that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.common import console, documents
from edgecnn.common.documents import Unreadable

TICK_S = 0.2
INTERRUPTED_S = 20.0
"""How long an interrupted process may take to tidy up."""
PR_SET_PDEATHSIG = 1

Answer = Mapping[str, Any]


@dataclass
class _Worker:
    item: str
    pid: int
    pipe: int
    started_s: float
    said: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class WorkerEnd:
    """The end of the process of one item: its answer, exit code and time."""

    item: str
    answer: Answer | None
    """What it returned; None if it was killed or crashed."""
    status: int
    """Its exit code, below zero for a signal (`os.waitstatus_to_exitcode`)."""
    elapsed_s: float


def each(
    items: Iterable[str],
    work: Callable[[str], Answer],
    jobs: int,
    log: Callable[[str], Path],
    watch: Callable[[Mapping[str, float]], None],
) -> Iterator[WorkerEnd]:
    """Do `work` for every item, in a process of its own, and yield the ends as they come.

    Args:
        items: What there is to do; no two are equal.
        work: Called in the new process; returns what JSON takes.
        jobs: How many processes there may be at a time.
        log: The file that takes what a process prints.
        watch: Called several times a second with the items at work and when each began, on `time.monotonic`.

    If the caller stops early, by KeyboardInterrupt too, all processes are interrupted and waited for.
    """
    waiting, running = deque(items), dict[int, _Worker]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                worker = _start(waiting.popleft(), work, log)
                running[worker.pipe] = worker
            watch({worker.item: worker.started_s for worker in running.values()})
            for pipe in select.select([*running], [], [], TICK_S)[0]:
                if block := os.read(pipe, 1 << 16):
                    running[pipe].said += block
                    continue
                ended = running.pop(pipe)
                os.close(pipe)
                yield _ended(ended)
    finally:
        _interrupt(running.values())


def _start(item: str, work: Callable[[str], Answer], log: Callable[[str], Path]) -> _Worker:
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent, started_s = os.getpid(), time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be_worker(item, work, log(item), writing, parent)
    os.close(writing)
    return _Worker(item, pid, reading, started_s)


def _be_worker(item: str, work: Callable[[str], Answer], log: Path, pipe: int, parent: int) -> None:
    """Do the work in this process, and end it."""
    code = 70
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell has the caller ignore it
        _end_with(parent)
        _print_into(log)
        answer = documents.to_json(work(item), None).encode()
        with os.fdopen(pipe, "wb") as stream:
            stream.write(answer)
        code = 0
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        with contextlib.suppress(Exception):
            traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _print_into(log: Path) -> None:
    """Send both streams of this process into a file; nobody types, and progress bars are for the caller."""
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, descriptor in ((nothing, 0), (target, 1), (target, 2)):
        os.dup2(source, descriptor)
    sys.stdout = sys.stderr = os.fdopen(os.dup(target), "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    console.be_quiet(False)


def _end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(128 + signal.SIGKILL)


def _ended(worker: _Worker) -> WorkerEnd:
    status = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
    answer = None
    if status == 0:
        with contextlib.suppress(Unreadable):
            answer = documents.table(bytes(worker.said))
    return WorkerEnd(worker.item, answer, status, time.monotonic() - worker.started_s)


def _interrupt(running: Iterable[_Worker]) -> None:
    """Have processes tidy up and end, and wait for them; kill those that take too long."""
    left = list(running)
    for worker in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGINT)
    end_s = time.monotonic() + INTERRUPTED_S
    while left:
        left = [worker for worker in left if os.waitpid(worker.pid, os.WNOHANG)[0] == 0]
        if left and time.monotonic() > end_s:
            for worker in left:
                os.kill(worker.pid, signal.SIGKILL)
                os.waitpid(worker.pid, 0)
            return
        time.sleep(0.02 if left else 0)
