"""The machine a number was measured on: what it is (Environment) and how it was at that moment (Condition).

Needs no package, so it reads a board as it reads this machine. What a machine does not tell is None.
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

FEATURES = (
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8",
    "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve",
)
# fmt: on
"""CPU features that choose between kernels of a runtime: int8 dot products, half precision, vector width."""

CPUINFO = "EDGECNN_CPUINFO"
"""Environment variable that names a file to read in place of /proc/cpuinfo: qemu's user mode shows the host's."""

ARM_PARTS = {"0xd03": "Cortex-A53", "0xd08": "Cortex-A72", "0xd0b": "Cortex-A76", "0xd0c": "Neoverse-N1"}
"""Arm names its cores by number in /proc/cpuinfo (Technical Reference Manuals, MIDR_EL1.PartNum)."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What does not change while measuring: hardware, system and versions."""

    edgecnn: str
    arch: str
    cpu: str
    cores: int
    """Cores this process may run on."""
    features: tuple[str, ...]
    memory_bytes: int | None
    model: str | None
    """The board's own name, from its device tree."""
    os: str
    kernel: str
    libc: str
    python: str
    packages: Mapping[str, str]
    governor: str | None


class Machine(Protocol):
    """What a machine is named by, whoever read it."""

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
    """What does change: read before and after every timing window."""

    load_1min: float | None = None
    """Mean number of runnable processes over the last minute."""
    frequency_mhz: float | None = None
    """Of the fastest core."""
    temperature_celsius: float | None = None
    """Of the hottest zone."""
    busy_s: float | None = None
    """Seconds since boot that all cores together were not idle."""
    steal_s: float | None = None
    """Seconds since boot that a hypervisor gave to others."""
    throttled: int | None = None
    """A Raspberry Pi's firmware bits (`edgecnn.records.throttling`)."""


@dataclass(frozen=True, kw_only=True)
class Cpu:
    """A core as /proc/cpuinfo shows it."""

    name: str
    features: tuple[str, ...]
    """Those of FEATURES it has."""


def here() -> Environment:
    """The Environment of this process."""
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
    """As it stands in environment.json, with the fingerprint."""
    return {**dataclasses.asdict(environment), "fingerprint": fingerprint(environment)}


def from_table(table: Any) -> Environment:
    """What `to_table` wrote. Raises PlanError if it is something else."""
    if not isinstance(table, Mapping):
        raise PlanError("There is no table that describes a machine.")
    return config.build(Environment, {k: v for k, v in table.items() if k != "fingerprint"}, "environment")


def core_name(machine: Machine) -> str:
    """The core and its instruction set, as in "AMD EPYC (AVX2)" or "Cortex-A76 (ARMv8.2 dot product)"."""
    return f"{machine.cpu} ({isa.name(machine.arch, machine.features)})"


def machine_name(machine: Machine) -> str:
    """The board's own name where it has one, then its core and instruction set.

    A board whose name holds the core's is not told it twice: "emulated cortex-a76 (pi5), ARMv8.2 dot product".
    """
    if machine.model is None:
        return core_name(machine)
    if machine.cpu.lower() in machine.model.lower():
        return f"{machine.model}, {isa.name(machine.arch, machine.features)}"
    return f"{machine.model}, {core_name(machine)}"


def decisive(environment: Environment) -> dict[str, Any]:
    """The facts that latency depends on; two reports are comparable when these are equal."""
    runtimes = {name: environment.packages.get(name) for name in ("ai-edge-litert", "onnxruntime")}
    kept = ("arch", "cpu", "cores", "features", "model", "governor")
    return {**{name: getattr(environment, name) for name in kept}, **runtimes}


def fingerprint(environment: Environment) -> str:
    """Twelve hex digits that are equal exactly when the decisive facts are."""
    text = documents.canonical(decisive(environment))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def differences(one: Environment, other: Environment) -> tuple[str, ...]:
    """The decisive facts two machines differ in, each as "name: this, that"; empty when comparable."""
    a, b = decisive(one), decisive(other)
    return tuple(f"{name}: {a[name]}, {b[name]}" for name in a if a[name] != b[name])


def condition() -> Condition:
    """The Condition of this machine now."""
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
    """What /proc/cpuinfo's text says of the first core, and in the keys that stand once at the end."""
    info: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            info.setdefault(key.strip(), value.strip())
    words = set((info.get("flags") or info.get("Features") or "").split())
    name = info.get("model name") or ARM_PARTS.get(info.get("CPU part", "")) or platform.processor() or "unknown"
    return Cpu(name=name, features=tuple(feature for feature in FEATURES if feature in words))


def rss_bytes() -> int:
    """Resident set size of this process now; where there is no /proc, its peak so far."""
    return _status_bytes("VmRSS") or _maxrss_bytes()


def peak_rss_bytes() -> int:
    """Largest resident set size since the process began or `reset_peak_rss`.

    VmHWM and not ru_maxrss where it exists: the latter survives exec, so a small child would show
    the size of the parent it was forked from.
    """
    return _status_bytes("VmHWM") or _maxrss_bytes()


def reset_peak_rss() -> bool:
    """Make the current size the peak (proc(5), clear_refs); False where the kernel does not allow it."""
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
    """A small system file, without its trailing zero or newline; None where there is none."""
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
    """(busy, steal) of all cores since boot, from the first line of /proc/stat (proc(5))."""
    first = (_text("/proc/stat") or "").partition("\n")[0].split()
    if len(first) < 9 or first[0] != "cpu":
        return None, None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, first[1:9])
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / tick, steal / tick
