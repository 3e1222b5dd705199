"""Model files are foreign: while one is read or run its name stands where a supervisor sees it, within bounds.

Memory is bounded beyond what the process has, on Linux, where the kernel counts that (RLIMIT_DATA). CPU time is bounded
for each reading and each inference: beyond it the kernel ends the process by SIGPROF (setitimer(2)).
"""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from edgecnn.errors import EdgecnnError, EnvironmentUnfit, ModelFileError, UsageError
from edgecnn.records import model_files

LEAST_BYTES = 700_000_000
BYTES_PER_BYTE = 16
"""Of a model file: engines hold weights as they are, unpacked and as they run, and exporters check all of that."""
MOST_OF_MEMORY = 0.75
"""Of what the machine has, which on a small board is less."""
VARIABLE = "EDGECNN_MODEL_MEMORY_MB"
RAISE = f"if you trust the file, set {VARIABLE} to the megabytes it may take"
SECONDS_VARIABLE = "EDGECNN_MODEL_SECONDS"
LEAST_SECONDS = 15
BYTES_PER_SECOND = 1_000_000
STATM = "/proc/self/statm"
DATA_FIELD = 5

_seen: mmap.mmap | None = None
"""Shared with the supervisor: the name of the file that is open, behind its length; None without a supervisor."""
_is_open = False


@contextlib.contextmanager
def opening(path: Path) -> Iterator[None]:
    """Inside, `path` is read or run. Raises EnvironmentUnfit for memory beyond its bound.

    Inside another opening it is a part of that file, which keeps its name and its bounds. They are the process's, so
    the main thread alone sets them.
    """
    global _is_open
    is_outer = _seen is not None and not _is_open and threading.current_thread() is threading.main_thread()
    before = None
    try:
        if is_outer:
            _is_open = True
            before = _enter(path)
        yield
    except MemoryError as error:
        raise _too_large(path) from error
    finally:
        if is_outer:
            _leave(before)
            _is_open = False


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """The same for a parser, which over a damaged file raises anything: it becomes a ModelFileError."""
    try:
        with opening(path):
            yield
    except EdgecnnError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise ModelFileError(f"{path} cannot be read: {reason}.", "export it again") from error


def be_watched(seen: mmap.mmap) -> None:
    """From now on this process tells what it opens, and bounds each opening."""
    global _seen
    _seen = seen


def told(seen: mmap.mmap) -> str | None:
    """The file that a process had open when it ended."""
    length = int.from_bytes(seen[:2], "little")
    return os.fsdecode(seen[2 : 2 + length]) if length else None


def bound_for_life(path: Path, further_bytes: int = 0) -> None:
    """Bound this process for good: it opens this one file."""
    _bound(allowance_bytes(path) + further_bytes)


@contextlib.contextmanager
def in_time(path: Path, times: int = 1) -> Iterator[None]:
    """Inside, a process that has taken `times` the CPU time that a file of its size may is ended by SIGPROF."""
    signal.setitimer(signal.ITIMER_PROF, times * allowance_seconds(path))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@functools.lru_cache(maxsize=64)
def allowance_seconds(path: Path) -> int:
    """What reading a model, or running it once, may take. Raises UsageError for no number in SECONDS_VARIABLE."""
    return _stated(SECONDS_VARIABLE, "seconds") or LEAST_SECONDS + _size(path) // BYTES_PER_SECOND


@functools.lru_cache(maxsize=64)
def allowance_bytes(path: Path) -> int:
    """What opening a model may take beyond what the process has. Raises UsageError for no number in VARIABLE."""
    if stated := _stated(VARIABLE, "megabytes"):
        return stated * 1_000_000
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(min(LEAST_BYTES + BYTES_PER_BYTE * _size(path), MOST_OF_MEMORY * memory))


def _stated(variable: str, unit: str) -> int | None:
    stated = os.environ.get(variable)
    if not stated:
        return None
    if not stated.isdecimal() or not 0 < int(stated) < 1_000_000_000:
        raise UsageError(f"{variable} is {stated!r}, and should be a whole number of {unit}.")
    return int(stated)


def _size(path: Path) -> int:
    try:
        return model_files.size(path)
    except (EdgecnnError, OSError):
        return 0


def _enter(path: Path) -> tuple[int, int] | None:
    assert _seen is not None
    name = os.fsencode(path)[: len(_seen) - 2]
    _seen[2 : 2 + len(name)] = name
    _seen[:2] = len(name).to_bytes(2, "little")
    signal.setitimer(signal.ITIMER_PROF, allowance_seconds(path))
    return _bound(allowance_bytes(path))


def _leave(before: tuple[int, int] | None) -> None:
    assert _seen is not None
    signal.setitimer(signal.ITIMER_PROF, 0)
    _seen[:2] = bytes(2)
    if before is not None:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _bound(further_bytes: int) -> tuple[int, int] | None:
    """Set the bound; returns the one before, None where the kernel does not tell what a process has."""
    held = _data_bytes()
    if held is None:
        return None
    soft, hard = before = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [limit for limit in (soft, hard, held + further_bytes) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    return before


def _data_bytes() -> int | None:
    statm = _statm(os.getpid())
    return None if statm is None else int(os.pread(statm, 256, 0).split()[DATA_FIELD]) * mmap.PAGESIZE


@functools.cache
def _statm(_pid: int) -> int | None:
    """It stays open: bounds are set around every single inference."""
    try:
        return os.open(STATM, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _too_large(path: Path) -> EnvironmentUnfit:
    megabytes = allowance_bytes(path) // 1_000_000
    return EnvironmentUnfit(f"{path} takes more memory than the {megabytes:,} MB that a file of its size may.", RAISE)
