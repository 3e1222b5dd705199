"""Instructions a processor retires, counted by itself: perf_event_open(2) of Linux, without a package.

A count says how much work a core was given, whatever else the machine does meanwhile. It says nothing of caches and
pipelines, so it is not a time. As a program, `python3 counters.py PROGRAM ARGUMENT...` prints what a whole process
costs, as one line of JSON after what the program itself prints.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import itertools
import json
import operator
import os
import platform
import struct
import sys
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

SYSCALLS = {"aarch64": 241, "x86_64": 298}
"""The number of perf_event_open, by architecture."""
TYPE_HARDWARE = 0
COUNT_INSTRUCTIONS = 1
ATTRIBUTE_BYTES = 64
"""PERF_ATTR_SIZE_VER0: the oldest layout of perf_event_attr has all fields that are needed."""
DISABLED, INHERIT, EXCLUDE_KERNEL, EXCLUDE_HYPERVISOR, ENABLE_ON_EXEC = 1, 1 << 1, 1 << 5, 1 << 6, 1 << 12
RESET = 0x2403
"""_IO('$', 3), as <linux/perf_event.h> has it."""
CLOSE_ON_EXEC = 8
NOT_FOUND = 127
"""The exit code of a shell for a program that does not exist."""


class Counter:
    """A count of this thread's instructions in user space, and of the threads it starts from now on."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def count(self, step: Callable[[], object]) -> int:
        """Count the instructions of `step()`, with some two thousand of Python's own around it."""
        fcntl.ioctl(self._descriptor, RESET, 0)
        step()
        return self.read()

    def read(self) -> int:
        """Return the instructions since the counter was opened, or since the last `count` began."""
        return int.from_bytes(os.read(self._descriptor, 8), sys.byteorder)

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Counter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def instructions() -> Counter | None:
    """Start a counter; None on another system, in most virtual machines, or if perf_event_paranoid is above 2."""
    return _open(pid=0, flags=0)


def in_a_row(counter: Counter, step: Callable[[], None], runs: int, times: int) -> list[int]:
    """Count the instructions of `runs` calls in a row, and do that `times` times."""

    def several() -> None:
        # The loop is in C, for bytecode would adapt to what it calls first and make the next one dearer (PEP 659).
        deque(map(operator.call, itertools.repeat(step, runs)), maxlen=0)

    return [counter.count(several) for _ in range(times)]


def process(argv: Sequence[str]) -> dict[str, int | None]:
    """Run a program to its end; returns its instructions, its largest resident set and its exit code."""
    ready, start = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(start)
        os.read(ready, 1)  # wait until the counter is there
        with contextlib.suppress(OSError):
            os.execvp(argv[0], list(argv))
        os._exit(NOT_FOUND)
    os.close(ready)
    counter = _open(pid=child, flags=DISABLED | ENABLE_ON_EXEC)
    os.close(start)
    _, status, usage = os.wait4(child, 0)
    instructions = counter.read() if counter else None
    code = os.waitstatus_to_exitcode(status)
    return {"instructions": instructions, "peak_rss_bytes": usage.ru_maxrss * 1024, "returncode": code}


def _open(pid: int, flags: int) -> Counter | None:
    """Open a counter of a process, 0 for this one, and of all its threads to come."""
    syscall = SYSCALLS.get(platform.machine())
    if syscall is None or sys.platform != "linux":
        return None
    flags |= INHERIT | EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR
    # type, size, config, sample_period, sample_type, read_format, flags
    attributes = struct.pack("=IIQQQQQ", TYPE_HARDWARE, ATTRIBUTE_BYTES, COUNT_INSTRUCTIONS, 0, 0, 0, flags)
    buffer = ctypes.create_string_buffer(attributes, ATTRIBUTE_BYTES)
    any_cpu, no_group = -1, -1
    descriptor = ctypes.CDLL(None).syscall(syscall, buffer, pid, any_cpu, no_group, CLOSE_ON_EXEC)
    return Counter(descriptor) if descriptor >= 0 else None


if __name__ == "__main__":
    print(json.dumps(process(sys.argv[1:])))
