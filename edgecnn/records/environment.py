"""The machine that a number was measured on: what it is (Environment) and its state at the time (Condition).

It imports no package, so it works on a board too. What a machine does not tell is None.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import os
import platform
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from edgecnn import __version__
from edgecnn.common import config, documents
from edgecnn.errors import PlanError
from edgecnn.records import isa, throttling

# fmt: off
PACKAGES = (
    "ai-edge-litert", "litert-converter", "litert-torch", "numpy", "onnx", "onnxruntime", "pillow", "tflite-micro",
    "torch", "torchao",
)
"""Packages whose versions are recorded."""

FEATURES = (
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8",
    "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve",
)
# fmt: on
"""CPU features by which runtimes choose their kernels: int8 dot products, half precision, vector width."""

CPUINFO = "EDGECNN_CPUINFO"
"""Environment variable naming a file to read instead of /proc/cpuinfo, which under qemu's user mode is the host's."""

ARM_PARTS = {"0xd03": "Cortex-A53", "0xd08": "Cortex-A72", "0xd0b": "Cortex-A76", "0xd0c": "Neoverse-N1"}
"""Names of Arm cores by their number in /proc/cpuinfo (Technical Reference Manuals, MIDR_EL1.PartNum)."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The hardware, system and versions, which stay the same during a measurement."""

    edgecnn: str
    arch: str
    cpu: str
    cores: int
    """Cores that this process may run on."""
    features: tuple[str, ...]
    memory_bytes: int | None
    model: str | None
    """The board's name in its device tree."""
    os: str
    kernel: str
    libc: str
    python: str
    packages: Mapping[str, str]
    governor: str | None


class Machine(Protocol):
    """The facts that are needed to name a machine."""

    @property
    def arch(self) -> str: ...

    @property
    def cpu(self) -> str: ...

    @property
    def features(self) -> tuple[str, ...]: ...

    @property
    def model(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class Condition:
    """The state that changes, read before and after each timing window."""

    load_1min: float | None = None
    """The mean number of runnable processes over the last minute."""
    frequency_mhz: float | None = None
    """Clock of the fastest core."""
    temperature_celsius: float | None = None
    """Temperature of the hottest zone."""
    busy_s: float | None = None
    """Seconds since boot that all cores together were not idle."""
    steal_s: float | None = None
    """Seconds since boot that a hypervisor gave to other machines."""
    throttled: int | None = None
    """The firmware bits of a Raspberry Pi (`edgecnn.records.throttling`)."""


@dataclass(frozen=True, kw_only=True)
class Cpu:
    """A core, as /proc/cpuinfo describes it."""

    name: str
    features: tuple[str, ...]
    """Those of FEATURES that it has."""


def here() -> Environment:
    """Read the Environment of this process."""
    cpu = cpu_facts(_cpuinfo())
    return Environment(
        edgecnn=__version__,
        arch=platform.machine(),
        cpu=cpu.name,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        features=cpu.features,
        memory_bytes=_memory_bytes(),
        model=_text("/proc/device-tree/model"),
        os=_os_name(),
        kernel=f"{platform.system()} {platform.release()}",
        libc=" ".join(platform.libc_ver()).strip(),
        python=platform.python_version(),
        packages=_packages(),
        governor=_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    )


def to_table(environment: Environment) -> dict[str, Any]:
    """Return the content of environment.json, which includes the fingerprint."""
    return {**dataclasses.asdict(environment), "fingerprint": fingerprint(environment)}


def from_table(table: Any) -> Environment:
    """Build an Environment from what `to_table` returned; raise PlanError for anything else."""
    if not isinstance(table, Mapping):
        raise PlanError("There is no table that describes a machine.")
    return config.build(Environment, {k: v for k, v in table.items() if k != "fingerprint"}, "environment")


def core_name(machine: Machine) -> str:
    """Name the core and its instruction set: "AMD EPYC (AVX2)", "Cortex-A76 (ARMv8.2 dot product)"."""
    return f"{machine.cpu} ({isa.name(machine.arch, machine.features)})"


def machine_name(machine: Machine) -> str:
    """Name the board, if it has a name of its own, and its core and instruction set.

    A core that the board's name already contains is not repeated: "emulated cortex-a76 (pi5), ARMv8.2 dot product".
    """
    if machine.model is None:
        return core_name(machine)
    if machine.cpu.lower() in machine.model.lower():
        return f"{machine.model}, {isa.name(machine.arch, machine.features)}"
    return f"{machine.model}, {core_name(machine)}"


def decisive(environment: Environment) -> dict[str, Any]:
    """Return the facts that decide latency; two reports are comparable if these are equal."""
    runtimes = {name: environment.packages.get(name) for name in ("ai-edge-litert", "onnxruntime")}
    facts = ("arch", "cpu", "cores", "features", "model", "governor")
    return {**{name: getattr(environment, name) for name in facts}, **runtimes}


def fingerprint(environment: Environment) -> str:
    """Return twelve hex digits that are equal if the decisive facts are."""
    text = documents.canonical(decisive(environment))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def differences(machine: Environment, other: Environment) -> tuple[str, ...]:
    """List the decisive facts in which two machines differ, as "name: this, that"; empty if they are comparable."""
    a, b = decisive(machine), decisive(other)
    return tuple(f"{name}: {a[name]}, {b[name]}" for name in a if a[name] != b[name])


def condition() -> Condition:
    """Read the Condition of this machine now."""
    busy_s, steal_s = _cpu_seconds()
    return Condition(
        load_1min=os.getloadavg()[0],
        frequency_mhz=_frequency_mhz(),
        temperature_celsius=_temperature_celsius(),
        busy_s=busy_s,
        steal_s=steal_s,
        throttled=throttling.read(),
    )


def cpu_facts(cpuinfo: str) -> Cpu:
    """Read the first core, and the keys that stand once at the end, from the text of /proc/cpuinfo."""
    info: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            info.setdefault(key.strip(), value.strip())
    words = set((info.get("flags") or info.get("Features") or "").split())
    name = info.get("model name") or ARM_PARTS.get(info.get("CPU part", "")) or platform.processor() or "unknown"
    return Cpu(name=name, features=tuple(feature for feature in FEATURES if feature in words))


def rss_bytes() -> int:
    """Return the resident set size of this process; without /proc, its peak so far."""
    return _status_bytes("VmRSS") or _maxrss_bytes()


def peak_rss_bytes() -> int:
    """Return the largest resident set size since the process began or `reset_peak_rss` was called.

    VmHWM is preferred to ru_maxrss, which survives exec: a small child would show the size of its parent.
    """
    return _status_bytes("VmHWM") or _maxrss_bytes()


def reset_peak_rss() -> bool:
    """Reset the peak to the current size (proc(5), clear_refs); return False if the kernel does not allow it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return False
    return True


def _maxrss_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _status_bytes(key: str) -> int | None:
    for line in (_text("/proc/self/status") or "").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return None


def _text(path: str) -> str | None:
    """Read a small system file without its trailing zero or newline; None if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _cpuinfo() -> str:
    return _text(os.environ.get(CPUINFO) or "/proc/cpuinfo") or ""


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _packages() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _frequency_mhz() -> float | None:
    if clock_mhz := throttling.clock_mhz():
        return clock_mhz
    kilohertz = [_text(str(path)) for path in Path("/sys/devices/system/cpu").glob("cpu*/cpufreq/scaling_cur_freq")]
    if kilohertz:
        return max((float(text) / 1000 for text in kilohertz if text), default=None)
    lines = _cpuinfo().splitlines()
    return max((float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")), default=None)


def _temperature_celsius() -> float | None:
    millicelsius = []
    for path in Path("/sys/class/thermal").glob("thermal_zone*/temp"):
        text = _text(str(path))
        if text and text.lstrip("-").isdigit():
            millicelsius.append(int(text))
    return max(millicelsius) / 1000 if millicelsius else None


def _cpu_seconds() -> tuple[float | None, float | None]:
    """Read (busy, steal) of all cores since boot from the first line of /proc/stat (proc(5))."""
    first = (_text("/proc/stat") or "").partition("\n")[0].split()
    if len(first) < 9 or first[0] != "cpu":
        return None, None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, first[1:9])
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / tick, steal / tick
