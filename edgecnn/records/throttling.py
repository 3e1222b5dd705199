"""A Raspberry Pi's firmware state: under-voltage, throttling and the real clock; other machines report none.

The bits are those of `vcgencmd get_throttled` (Raspberry Pi documentation, "vcgencmd"): 0 to 3 are the state now, 16 to
19 the same since boot.
"""

from __future__ import annotations

import re
import shutil
import subprocess  # not inside functions: its memory must be part of a worker's baseline
from dataclasses import dataclass

WORDS = ("under-voltage", "a capped clock", "throttling", "the soft temperature limit")
"""What each bit means, from bit 0."""
SINCE_BOOT = 16
"""Number of the first bit that is about the time since boot."""
TIMEOUT_S = 2


@dataclass(frozen=True)
class Throttling:
    """The firmware's bits."""

    bits: int

    def now(self) -> tuple[str, ...]:
        """List what limits the machine at this moment."""
        return tuple(word for bit, word in enumerate(WORDS) if self.bits >> bit & 1)

    def since_boot(self) -> tuple[str, ...]:
        """List what has limited the machine at any time since boot."""
        return Throttling(self.bits >> SINCE_BOOT).now()

    def began_after(self, earlier: Throttling) -> tuple[str, ...]:
        """List what limits the machine now, or has for the first time since `earlier`."""
        new = (self.bits & ~earlier.bits) >> SINCE_BOOT
        return Throttling(self.bits | new).now()


def read() -> int | None:
    """Read the bits; None if there is no such firmware."""
    match = re.search(r"throttled=0x([0-9a-fA-F]+)", _ask("get_throttled"))
    return int(match[1], 16) if match else None


def clock_mhz() -> float | None:
    """Read the Arm cores' clock from the firmware, which under-voltage lowers without the kernel knowing."""
    match = re.search(r"frequency\(\d+\)=(\d+)", _ask("measure_clock", "arm"))
    return int(match[1]) / 1e6 if match else None


def _ask(*words: str) -> str:
    program = shutil.which("vcgencmd")
    if not program:
        return ""
    try:
        done = subprocess.run(
            [program, *words], capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
