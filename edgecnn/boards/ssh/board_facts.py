"""The facts of a board, read in one round trip by a POSIX shell, before anything is copied and without Python there."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgecnn.boards.ssh.link import Link
from edgecnn.common import replies
from edgecnn.common.replies import last_line
from edgecnn.errors import LinkError
from edgecnn.records import environment

LEAST_PYTHON = (3, 11)
"""The oldest Python that the worker and the newest onnxruntime run on."""
MOST_BYTES = 1 << 22
"""The longest report of a board about itself; /proc/cpuinfo of 256 cores is a tenth of it."""
LONGEST_PATH = 1024

SCRIPT = r"""
export LC_ALL=C
part() { printf '\n==%s\n' "$1"; }
show() { [ -r "$1" ] && cat "$1" 2>/dev/null; }
cache=${XDG_CACHE_HOME:-$HOME/.cache}/edgecnn
place=$cache; while [ ! -d "$place" ]; do place=${place%/*}; [ -n "$place" ] || place=/; done
part arch; uname -m
part kernel; uname -sr
part host; uname -n
part user; id -un
part home; printf '%s\n' "$HOME"
part cache; printf '%s\n' "$cache"
part bits; getconf LONG_BIT
part libc; getconf GNU_LIBC_VERSION
part os; show /etc/os-release
part model; show /proc/device-tree/model | tr -d '\000'
part cpuinfo; show /proc/cpuinfo
part memory; show /proc/meminfo
part disk; df -Pk "$place"
part load; show /proc/loadavg
part clock; date +%s
part governor; show /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor
part frequency; show /sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq
part temperature; show /sys/class/thermal/thermal_zone0/temp
part throttled; command -v vcgencmd >/dev/null && vcgencmd get_throttled
part tools; for tool in sha256sum mv; do command -v "$tool"; done
part pythons
for python in "$@" python3 python3.14 python3.13 python3.12 python3.11; do
  path=$(command -v "$python") && "$path" -I -S -c '
import os, platform, sys
print(sys.version_info[0], sys.version_info[1], 64 if sys.maxsize > 2**32 else 32, sys.implementation.name,
      os.path.realpath(sys.executable), sys.executable)'
done
exit 0
"""


@dataclass(frozen=True, kw_only=True)
class Python:
    """An interpreter of a board."""

    path: str
    version: tuple[int, int]
    bits: int
    implementation: str

    def __str__(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"


@dataclass(frozen=True, kw_only=True)
class BoardFacts:
    """A board as it was when it was read. What it does not tell is None or empty."""

    destination: str
    host: str
    user: str
    home: str
    cache: str
    """The absolute path of our cache there; the folder need not exist yet."""
    arch: str
    userland_bits: int | None
    kernel: str
    os: str
    glibc: tuple[int, int] | None
    model: str | None
    """The device tree's name for the board, as in "Raspberry Pi 4 Model B Rev 1.4"."""
    cpu: str
    features: tuple[str, ...]
    cores: int
    memory_bytes: int | None
    memory_available_bytes: int | None
    disk_free_bytes: int | None
    """Free space in the file system of `cache`."""
    load_1min: float | None
    governor: str | None
    frequency_mhz: float | None
    temperature_celsius: float | None
    throttled: int | None
    """The firmware's throttling bits (`records.throttling`)."""
    clock_skew_s: float | None
    """The board's wall clock minus this machine's, to about a second."""
    tools: tuple[str, ...]
    pythons: tuple[Python, ...]

    @property
    def python(self) -> Python | None:
        """The interpreter that is used: the first that the worker runs on."""
        return next((python for python in self.pythons if _is_fit(python)), None)


def read(link: Link, python: str | None = None) -> BoardFacts:
    """Read what a board is, in one round trip; `python` is an interpreter to prefer. Raises LinkError."""
    before = time.time()
    answer = link.script(SCRIPT, [python] if python else [], timeout_s=60)
    middle = (before + time.time()) / 2
    if len(answer.stdout) > MOST_BYTES:
        raise link.too_long(MOST_BYTES)
    if b"==pythons" not in answer.stdout:
        raise LinkError(
            f"{link.destination} has no POSIX shell that answers: {last_line(answer.stderr) or 'it said nothing'}.",
            "the board must be a Linux that `ssh` gives a shell on",
        )
    return parse(link.destination, answer.stdout.decode(errors="replace"), middle)


def parse(destination: str, text: str, now_s: float) -> BoardFacts:
    """Parse the script's output; `now_s` is this machine's wall clock when it ran."""
    parts = {name: body.strip() for name, body in _parts(text)}
    cpu = environment.cpu_facts(parts.get("cpuinfo", ""))
    memory = dict(re.findall(r"^(\w+):\s+([0-9]{1,15}) kB", parts.get("memory", ""), re.M))
    pretty = re.search(r'^PRETTY_NAME="?(.*?)"?$', parts.get("os", ""), re.M)
    throttled = re.search(r"throttled=0x([0-9a-fA-F]{1,8})\b", parts.get("throttled", ""))
    clock_s, load = _number(parts.get("clock", "")), parts.get("load", "").split()
    kilohertz, millicelsius = _number(parts.get("frequency", "")), _number(parts.get("temperature", ""))
    words = {name: replies.plain(body) for name, body in parts.items()}
    return BoardFacts(
        destination=destination,
        host=words.get("host", ""),
        user=words.get("user", ""),
        home=parts.get("home", ""),
        cache=parts.get("cache", ""),
        arch=words.get("arch", ""),
        userland_bits=_whole(parts.get("bits", "")),
        kernel=words.get("kernel", ""),
        os=replies.plain(pretty[1]) if pretty else words.get("kernel", ""),
        glibc=_version(parts.get("libc", "")),
        model=words.get("model") or None,
        cpu=replies.plain(cpu.name),
        features=cpu.features,
        cores=len(re.findall(r"^processor\s*:", parts.get("cpuinfo", ""), re.M)),
        memory_bytes=_kilobytes(memory, "MemTotal"),
        memory_available_bytes=_kilobytes(memory, "MemAvailable"),
        disk_free_bytes=_disk_free_bytes(parts.get("disk", "")),
        load_1min=_number(load[0]) if load else None,
        governor=words.get("governor") or None,
        frequency_mhz=kilohertz / 1000 if kilohertz else None,
        temperature_celsius=millicelsius / 1000 if millicelsius is not None else None,
        throttled=int(throttled[1], 16) if throttled else None,
        clock_skew_s=clock_s + 0.5 - now_s if clock_s is not None else None,
        tools=tuple(replies.plain(line.rpartition("/")[2]) for line in parts.get("tools", "").splitlines()[:9]),
        pythons=_pythons(parts.get("pythons", "")),
    )


def to_table(facts: BoardFacts) -> dict[str, object]:
    """Return the facts by name, as JSON takes them."""
    return dataclasses.asdict(facts)


def is_place(path: str) -> bool:
    """Return whether this is an absolute path that can stand in a command, a sentence and a table."""
    return path.startswith("/") and path.isprintable() and len(path) <= LONGEST_PATH


def _is_fit(python: Python) -> bool:
    return python.version >= LEAST_PYTHON and python.bits == 64 and python.implementation == "cpython"


def _pythons(text: str) -> tuple[Python, ...]:
    """List each interpreter once, though it may go by several names."""
    pythons: dict[str, Python] = {}
    for line in text.splitlines():
        match = re.fullmatch(
            r"([0-9]{1,4}) ([0-9]{1,4}) ([0-9]{1,4}) (\S+) (/.*) (/.*)", line
        )  # a space may be in both
        if match and is_place(match[6]):
            version, real = (int(match[1]), int(match[2])), match[5]
            python = Python(path=match[6], version=version, bits=int(match[3]), implementation=replies.plain(match[4]))
            pythons.setdefault(real, python)
    return tuple(pythons.values())


def _disk_free_bytes(text: str) -> int | None:
    """Read `df -Pk`: the fourth column of the last line is what is available, in units of 1024 bytes (POSIX)."""
    words = text.splitlines()[-1].split() if text else []
    blocks = _whole(words[3]) if len(words) >= 6 else None
    return None if blocks is None else blocks * 1024


def _kilobytes(memory: Mapping[str, str], key: str) -> int | None:
    return int(memory[key]) * 1024 if key in memory else None


def _number(text: str) -> float | None:
    """Read a number as these files have it: decimal and finite; None for anything else."""
    return float(text) if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", text) else None


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield (name, body) of each part that the script printed."""
    marks = [*re.finditer(r"^==(\w{1,20})\n", text, re.M)]
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, end in zip(marks, ends, strict=False):
        yield mark[1], text[mark.end() : end]


def _version(text: str) -> tuple[int, int] | None:
    match = re.search(r"glibc ([0-9]{1,4})\.([0-9]{1,4})", text)
    return (int(match[1]), int(match[2])) if match else None
