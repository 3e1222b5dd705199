"""Checks of a board before our programs run there: missing requirements, and limits of a measurement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgecnn.boards.ssh.board_facts import LEAST_PYTHON, BoardFacts, is_place
from edgecnn.errors import BoardUnfit
from edgecnn.records.throttling import Throttling

ARCHITECTURES = ("aarch64", "x86_64")
LEAST_GLIBC = {"ai-edge-litert": (2, 27), "numpy": (2, 27), "onnxruntime": (2, 28), "pillow": (2, 27)}
"""The oldest glibc that each package's aarch64 wheels run on, by their manylinux tags (PEP 600)."""
STANDARD_LIBRARY_ONLY = ("-I", "-S", "-X", "utf8")
"""Options of a Python there that keep out the board's own packages, start-up files and settings; text is UTF-8."""
LEAST_MEMORY_BYTES = 100_000_000
"""A worker with NumPy and one runtime holds 60 to 90 MB."""


def require(facts: BoardFacts, packages: Sequence[str] = ("numpy",), room_bytes: int = 0) -> None:
    """Raise BoardUnfit for the first thing that is in the way of `packages`, with a hint; `problems` lists all."""
    for problem in problems(facts, packages, room_bytes):
        raise problem


def problems(facts: BoardFacts, packages: Sequence[str], room_bytes: int = 0) -> list[BoardUnfit]:
    """List everything that is in the way of running `packages` there, the gravest first.

    Args:
        facts: What the board is.
        packages: The names of the packages that are to run there.
        room_bytes: How much is to be written there.
    """
    return [
        BoardUnfit(f"{facts.destination} {sentence}", hint)
        for sentence, hint in (*_software_problems(facts, packages), *_room_problems(facts, room_bytes))
    ]


def _software_problems(facts: BoardFacts, packages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (sentence, hint) for what is wrong with the system: its paths, architecture, libraries and programs."""
    if not (is_place(facts.home) and is_place(facts.cache)):
        yield ("has a home folder whose path is not absolute or not printable, so no program can use it.", "")
    if facts.userland_bits == 32 or facts.arch in ("armv6l", "armv7l", "armv8l", "i686"):
        yield (
            f"runs a 32-bit system ({facts.arch}): NumPy, LiteRT and ONNX Runtime have no wheels for it.",
            "install Raspberry Pi OS (64-bit); a Pi 3 and every later one runs it",
        )
    elif facts.arch not in ARCHITECTURES:
        yield (f"has the architecture {facts.arch!r}; the runtimes have wheels for {' and '.join(ARCHITECTURES)}.", "")
    least = max((LEAST_GLIBC.get(name, (2, 17)) for name in packages), default=(2, 17))
    if facts.glibc is None:
        yield ("has no glibc, which the wheels are built for.", "take Raspberry Pi OS, Debian or Ubuntu (not Alpine)")
    elif facts.glibc < least:
        yield (
            f"has glibc {_dotted(facts.glibc)}; the wheels of {', '.join(packages)} need {_dotted(least)}.",
            "install a newer system: Debian 11, Ubuntu 20.04 or later",
        )
    if facts.python is None:
        known = ", ".join(dict.fromkeys(map(str, facts.pythons)))
        yield (
            f"has {f'Python {known}' if known else 'no Python 3'}; {_dotted(LEAST_PYTHON)} or newer is needed.",
            "Raspberry Pi OS has it since Debian 12 (bookworm): `apt install python3`",
        )
    if "sha256sum" not in facts.tools:
        yield ("has no sha256sum, and nothing is used there unchecked.", "apt install coreutils")


def _room_problems(facts: BoardFacts, room_bytes: int) -> Iterator[tuple[str, str]]:
    """Yield (sentence, hint) for too little disk or memory."""
    if facts.disk_free_bytes is not None and facts.disk_free_bytes < room_bytes:
        yield (
            f"has {facts.disk_free_bytes / 1e6:.0f} MB free for {facts.cache}; {room_bytes / 1e6:.0f} MB are needed.",
            "free some, or `edgecnn board clean` what we keep there",
        )
    if facts.memory_available_bytes is not None and facts.memory_available_bytes < LEAST_MEMORY_BYTES:
        yield (
            f"has {facts.memory_available_bytes / 1e6:.0f} MB of memory free; "
            f"{LEAST_MEMORY_BYTES / 1e6:.0f} MB are needed.",
            "end other programs there, the desktop first",
        )


def interpreter(facts: BoardFacts) -> str:
    """Return the path of the Python that is used there. Raises BoardUnfit without one."""
    require(facts)
    assert facts.python is not None
    return facts.python.path


def remarks(facts: BoardFacts) -> list[str]:
    """List what does not prevent a measurement but limits it, each in one sentence."""
    sentences = []
    if facts.throttled is not None:
        bits = Throttling(facts.throttled)
        if now := bits.now():
            sentences.append(f"{facts.destination} is limited by {', '.join(now)} now.")
        elif before := bits.since_boot():
            sentences.append(f"{facts.destination} has had {', '.join(before)} since it was switched on.")
    if facts.clock_skew_s is not None and abs(facts.clock_skew_s) > 5:
        sentences.append(
            f"The clock of {facts.destination} is {abs(facts.clock_skew_s):.0f} s "
            f"{'ahead' if facts.clock_skew_s > 0 else 'behind'}; dates in reports are this machine's."
        )
    if facts.governor not in (None, "performance"):
        sentences.append(
            f"The governor of {facts.destination} is {facts.governor!r}; 'performance' keeps the clock still."
        )
    if facts.load_1min is not None and facts.load_1min > 0.5 * max(facts.cores, 1):
        sentences.append(f"{facts.destination} is busy: load {facts.load_1min:.1f} on {facts.cores} cores.")
    return sentences


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
