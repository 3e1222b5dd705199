"""A server in a process of its own: started, watched, ended."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import _clients

PEERS = Path(__file__).with_name("_peers.py")
CPUS = sorted(os.sched_getaffinity(0))
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Served:
    """One that runs."""

    process: subprocess.Popen[bytes]
    port: int
    said: Path
    """What it writes to stderr."""

    def memory_mb(self, name: str = "VmRSS") -> float:
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        match = re.search(rf"{name}:\s+(\d+) kB", text)
        return int(match[1]) / 1e3 if match else 0.0

    def cpu_s(self) -> float:
        """Return the CPU time that all its threads have used, in user and in kernel mode."""
        used = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
        return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")

    def ask(self, request: bytes) -> int:
        """The status of one request; 0 where it was not answered."""
        return next(iter(_clients.closed_loop(self.port, request, 1, 0.0).answers))


@contextlib.contextmanager
def served(name: str, folder: Path, *options: str) -> Iterator[Served]:
    """The bundle in a folder behind "edgecnn", "waitress" or "uvicorn", on the first of this machine's CPUs."""
    with socket.socket() as free:
        free.bind((_clients.HOST, 0))
        port = free.getsockname()[1]
    words = [str(folder / "edgecnn.pyz"), "serve", "--port", str(port), *options]
    if name != "edgecnn":
        words = [str(PEERS), name, str(folder), str(port)]
    said = folder.with_name(f"{name}-{port}.log")
    with said.open("wb") as stderr, subprocess.Popen([sys.executable, *words], stderr=stderr) as process:
        try:
            os.sched_setaffinity(process.pid, CPUS[:1])
            end = time.monotonic() + PATIENCE_S
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{name} does not serve: {said.read_text(encoding='utf-8')[-500:]}")
                time.sleep(0.05)
            yield Served(process, port, said)
        finally:
            process.kill()


def _answers(port: int) -> bool:
    try:
        socket.create_connection((_clients.HOST, port), PATIENCE_S).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def last_cpu() -> Iterator[None]:
    """This process on the last CPU, away from the server's."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, CPUS[-1:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
