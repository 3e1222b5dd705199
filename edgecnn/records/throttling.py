"""What a Raspberry Pi's firmware says of its power supply and its heat; other machines say nothing.

The bits are those of `vcgencmd get_throttled` (Raspberry Pi documentation, "vcgencmd"): 0 to 3 are the
state now, 16 to 19 the same since the machine was switched on.
"""

from __future__ import annotations

import re
import shutil
import subprocess  # here and not in the functions: its memory belongs to a worker's baseline
from dataclasses import dataclass

WORDS = ("under-voltage", "a capped clock", "throttling", "the soft temperature limit")
"""By bit."""
SINCE_BOOT = 16
TIMEOUT_S = 2


@dataclass(frozen=True)
class Throttling:
    """The firmware's bits as one number."""

    bits: int

    def now(self) -> tuple[str, ...]:
        """What limits the machine at this moment."""
        return tuple(word for bit, word in enumerate(WORDS) if self.bits >> bit & 1)

    def since_boot(self) -> tuple[str, ...]:
        """What has limited it at some time since it was switched on."""
        return Throttling(self.bits >> SINCE_BOOT).now()

    def began_after(self, earlier: Throttling) -> tuple[str, ...]:
        """What limits the machine now, or has for the first time since `earlier`."""
        new = (self.bits & ~earlier.bits) >> SINCE_BOOT
        return Throttling(self.bits | new).now()


def read() -> int | None:
    """The bits now; None where there is no firmware that tells."""
    match = re.search(r"throttled=0x([0-9a-fA-F]+)", _ask("get_throttled"))
    return int(match[1], 16) if match else None


def clock_mhz() -> float | None:
    """The Arm cores' clock as the firmware runs it, which under-voltage lowers behind the kernel's back."""
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
