"""An older x86-64 core, emulated by qemu's user mode: the worker runs under this Python, without image or boot.

Python, the runtimes and the kernel are this machine's. The emulator executes every instruction of Python and the
runtimes, and when they ask the processor about itself (CPUID) it answers as the older core, so that they choose the
kernels that they would choose there.
"""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecnn.boards import _reply
from edgecnn.boards.emulated import leash, tools
from edgecnn.common import config, documents, scratch
from edgecnn.errors import EnvironmentUnfit
from edgecnn.onboard import archive
from edgecnn.onboard.job import Job, Outcome
from edgecnn.records import environment, isa
from edgecnn.records.environment import Environment


@dataclass(frozen=True, kw_only=True)
class Core:
    """A core of qemu that has what its level of x86-64 asks for, and nothing of the next level."""

    name: str
    model: str
    """The value of qemu's -cpu option, without the features that qemu itself lacks and would warn about."""
    flags: str
    """The vector instructions that /proc/cpuinfo would show there."""


CORES = {
    "x86-64-v2": Core(name="Nehalem", model="Nehalem", flags="sse sse2 ssse3 sse4_1 sse4_2"),
    "x86-64-v3": Core(
        name="Haswell",
        model="Haswell-noTSX,-pcid,-x2apic,-tsc-deadline,-invpcid",
        flags="sse sse2 ssse3 sse4_1 sse4_2 avx f16c fma avx2",
    ),
}
"""A core for each level of the x86-64 psABI but the fourth, AVX-512, which qemu does not have."""
OF_THE_HOST = ("OPENBLAS_CORETYPE", "NPY_ENABLE_CPU_FEATURES", "NPY_DISABLE_CPU_FEATURES", "GLIBC_TUNABLES")
"""Environment variables that choose a library's kernels for this machine's CPU: an older core would die of them."""


def require() -> None:
    """Raise EnvironmentUnfit if no x86-64 core can be emulated this way on this machine."""
    if sys.platform != "linux" or platform.machine() not in isa.X86:
        raise EnvironmentUnfit(
            f"qemu's user mode runs this machine's own Python, and that is not one for x86-64 Linux but for "
            f"{platform.machine()} {platform.system()}.",
            "take an x86-64 Linux machine for it",
        )
    tools.require(tools.FOR_USER_MODE)


@contextlib.contextmanager
def open_core(level: str) -> Iterator[UserMode]:
    """Make the core of a level of CORES ready to measure. Raises EnvironmentUnfit if it cannot be emulated."""
    require()
    with scratch.folder() as folder:
        worker, cpuinfo = folder / "worker.pyz", folder / "cpuinfo"
        archive.write_worker(worker)
        core = CORES[level]
        cpuinfo.write_text(f"model name\t: {core.name}\nflags\t\t: {core.flags}\n", encoding="utf-8")
        yield UserMode(level, worker, cpuinfo)


class UserMode:
    """A `boards.Board` that emulates a fresh process for every job, from the archive a remote board would get."""

    keeps_time = False
    counts_instructions = False

    def __init__(self, level: str, worker: Path, cpuinfo: Path) -> None:
        self.name = f"emulated:{level}"
        self._core = CORES[level]
        self._worker = worker
        self._cpuinfo = cpuinfo

    def facts(self) -> Environment:
        return _reply.facts(*self._call("facts", ""))

    def run(self, job: Job) -> Outcome:
        """Do a job there. Raises EnvironmentUnfit if instructions are to be counted."""
        if job.count:
            raise EnvironmentUnfit(
                "qemu's user mode lets nobody count instructions.", "--board emulated:pi4 counts those of an ARM core"
            )
        return _reply.outcome(job, *self._call("run", documents.to_json(config.table_of(job), None)))

    def _call(self, command: str, stdin: str) -> tuple[int, str, str]:
        """Run the worker: (return code, stdout, stderr). It may take long, so it ends when this process does."""
        emulator = [tools.path("qemu-x86_64"), "-cpu", self._core.model]
        inherited = {name: value for name, value in os.environ.items() if name not in OF_THE_HOST}
        done = subprocess.run(
            leash.command([*emulator, sys.executable, str(self._worker), command]),
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env={**inherited, environment.CPUINFO: str(self._cpuinfo)},
        )
        return done.returncode, done.stdout, done.stderr
