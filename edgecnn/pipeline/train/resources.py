"""Precision and number of threads of a training, where the recipe leaves them to the machine ("auto").

bf16 is faster than fp32 on a CPU with bf16 instructions, and much slower on one that has to emulate them. There is one
thread for each physical core, since the threads of a core share its arithmetic units.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgecnn.pipeline.train.distributed import ALONE, Team
from edgecnn.records import environment, isa
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Taken

ASKED = "asked for"
X86_BF16 = ("avx512_bf16", "amx_bf16")

EMULATED = "on an AMD Zen 1 it was 8 to 14 times slower than fp32 (n = 2 nets)"
"""The cost of bf16 on a CPU without it. In images/s with one thread: dscnn-colour 261 -> 18, resnet8 338 -> 41."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of a machine, as far as this process may use it, that `take` decides by."""

    arch: str
    features: tuple[str, ...]
    """Those of `environment.FEATURES` that its CPU has; empty if the system does not tell."""
    capabilities: Mapping[str, Any]
    """`torch.cpu.get_capabilities()`."""
    cuda_bf16: bool
    cpus: tuple[int, ...]
    """Logical CPUs this process may run on."""
    siblings: Mapping[int, str]
    """The logical CPUs of each logical CPU's core, as Linux lists them; one without an entry is a core of its own."""
    omp_num_threads: int | None = None
    """The limit that the user sets for every process with the environment variable of that name."""

    @property
    def isa(self) -> str:
        """Name of the instruction set (`edgecnn.records.isa`)."""
        return isa.name(self.arch, self.features)

    @property
    def cores(self) -> int:
        """Number of physical cores that this process may run on."""
        return len({self.siblings.get(cpu, str(cpu)) for cpu in self.cpus})

    @property
    def cpu_bf16(self) -> bool:
        """True if the CPU has bf16 instructions.

        torch asks the CPU itself. On x86 `features` must agree, so that a test can stand for an older CPU with
        `environment.CPUINFO`.
        """
        if self.arch not in isa.X86:
            return bool(self.capabilities.get("bf16"))
        listed = not self.features or any(f == "avx512_bf16" or f.startswith("amx") for f in self.features)
        return listed and any(self.capabilities.get(name) for name in X86_BF16)


def here() -> Facts:
    """Return the facts of this machine and process."""
    import torch

    machine = environment.here()
    cpus = _cpus()
    return Facts(
        arch=machine.arch,
        features=machine.features,
        capabilities=torch.cpu.get_capabilities(),
        cuda_bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False),
        cpus=cpus,
        siblings={cpu: text for cpu in cpus if (text := _siblings(cpu))},
        omp_num_threads=_omp_num_threads(),
    )


def take(recipe: Recipe, device: str, why_device: str, facts: Facts, team: Team = ALONE) -> Taken:
    """Decide precision and threads of a training, and record why.

    Args:
        recipe: says which, or "auto".
        device: the type of device that was chosen, "cpu", "cuda" or "mps".
        why_device: why it was chosen, to be recorded.
        facts: of the machine.
        team: the processes that share the machine; the threads are those of each of them.
    """
    precision, why_precision = recipe.precision, ASKED
    if precision == "auto":
        precision, why_precision = _precision(device, facts)
    threads, why_threads = num_threads(recipe, facts, team)
    return Taken(
        precision=precision,
        why_precision=why_precision,
        num_threads=threads,
        why_num_threads=why_threads,
        device=device,
        why_device=why_device,
        isa=facts.isa,
    )


def num_threads(recipe: Recipe, facts: Facts, team: Team = ALONE) -> tuple[int, str]:
    """Return the threads of each process and why they are so many; the processes of a machine share the recipe's."""
    if recipe.num_threads != "auto":
        return max(1, recipe.num_threads // team.local_count), ASKED
    share = max(1, facts.cores // team.local_count)
    if facts.omp_num_threads and facts.omp_num_threads < share:
        return facts.omp_num_threads, "OMP_NUM_THREADS allows no more"
    return share, "the physical cores this process may use"


def resumed(recipe: Recipe, now: Taken, before: Taken) -> Taken:
    """Return what a resumed training takes: as `now`, but with the precision of `before` if the recipe says "auto"."""
    if recipe.precision != "auto" or now.precision == before.precision:
        return now
    return dataclasses.replace(now, precision=before.precision, why_precision="as before it was resumed")


def moved(now: Taken, before: Taken) -> str | None:
    """Return a sentence if a resumed training continues with something else than before."""
    decisive = ("precision", "num_threads", "device", "isa")
    if all(getattr(now, name) == getattr(before, name) for name in decisive):
        return None
    return f"trained so far in {before} ({before.isa}), it goes on in {now} ({now.isa}): bits may differ"


def warning(taken: Taken, facts: Facts) -> str | None:
    """Return a sentence if bf16 was taken on a CPU that has to emulate it."""
    if taken.precision == "fp32" or taken.device != "cpu" or facts.cpu_bf16:
        return None
    return f"this CPU ({taken.isa}) has no bf16 and emulates it: {EMULATED}; --precision fp32 would be quicker"


def _precision(device: str, facts: Facts) -> tuple[Literal["fp32", "bf16"], str]:
    if device == "mps":
        return "fp32", "bf16 on MPS was not measured"
    supported, name = (facts.cuda_bf16, "GPU") if device == "cuda" else (facts.cpu_bf16, "CPU")
    return ("bf16", f"this {name} multiplies it") if supported else ("fp32", f"this {name} has no bf16")


def _cpus() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    import psutil

    return tuple(range(psutil.cpu_count(logical=False) or 1))


def _omp_num_threads() -> int | None:
    """Return the first number of the variable, which may be a list with one for each level of nesting."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) or None if first.isdecimal() else None


def _siblings(cpu: int) -> str | None:
    try:
        return (
            Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text(encoding="utf-8").strip()
        )
    except OSError:
        return None
