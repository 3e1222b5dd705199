"""Bounds for model files, which are foreign: while one is read or run, memory and time are limited.

Its name also stands where a supervisor sees it. Memory is limited beyond what the process has already, on Linux, where
the kernel counts it (RLIMIT_DATA). CPU time is limited for each reading and each inference: the kernel ends a process
that takes more by SIGPROF (setitimer(2)).
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

from edgecnn.errors import EdgecnnError, EnvironmentUnfit, ModelFileError, UsageError, first_line
from edgecnn.records import model_files

LEAST_BYTES = 700_000_000
BYTES_PER_BYTE = 16
"""Memory for each byte of a file: engines hold weights as stored, unpacked and as they run; exporters check all."""
MOST_OF_MEMORY = 0.75
"""The share of the machine's memory that is never exceeded; on a small board it is the lower bound."""
VARIABLE = "EDGECNN_MODEL_MEMORY_MB"
RAISE = f"if you trust the file, set {VARIABLE} to the megabytes it may take"
SECONDS_VARIABLE = "EDGECNN_MODEL_SECONDS"
LEAST_SECONDS = 15
BYTES_PER_SECOND = 1_000_000
STATM = "/proc/self/statm"
DATA_FIELD = 5

_seen: mmap.mmap | None = None
"""Memory shared with the supervisor: the length of the open file's name, then the name; None without a supervisor."""
_is_open = False


@contextlib.contextmanager
def opening(path: Path) -> Iterator[None]:
    """Bound what reading or running a model file inside the block may take.

    Inside another opening the file is part of the outer one, which keeps its name and its bounds. The bounds are those
    of the process, so only the main thread sets them.

    Raises:
        EnvironmentUnfit: The file takes more memory than it may.
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
        raise too_large(path) from error
    finally:
        if is_outer:
            _leave(before)
            _is_open = False


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Bound a parser as `opening` does; whatever it raises over a damaged file becomes a ModelFileError."""
    try:
        with opening(path):
            yield
    except EdgecnnError:
        raise
    except Exception as error:
        raise ModelFileError(f"{path} cannot be read: {first_line(error)}.", "export it again") from error


def be_watched(seen: mmap.mmap) -> None:
    """Let this process tell a supervisor what it opens from now on, and bound each opening."""
    global _seen
    _seen = seen


def told(seen: mmap.mmap) -> str | None:
    """Return the model file that a process had open when it ended, if any."""
    length = int.from_bytes(seen[:2], "little")
    return os.fsdecode(seen[2 : 2 + length]) if length else None


def bound_for_life(path: Path, further_bytes: int = 0) -> None:
    """Bound the memory of this process for good, as it opens this one file only."""
    _bound(allowance_bytes(path) + further_bytes)


@contextlib.contextmanager
def in_time(path: Path, times: int = 1) -> Iterator[None]:
    """Have the kernel end the process, by SIGPROF, if the block takes `times` the CPU time that the file may take."""
    signal.setitimer(signal.ITIMER_PROF, times * allowance_seconds(path))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@functools.lru_cache(maxsize=64)
def allowance_seconds(path: Path) -> int:
    """Return the CPU time for reading a model or running it once; UsageError if SECONDS_VARIABLE is no number."""
    return _stated(SECONDS_VARIABLE, "seconds") or LEAST_SECONDS + _size(path) // BYTES_PER_SECOND


@functools.lru_cache(maxsize=64)
def allowance_bytes(path: Path) -> int:
    """Return the memory for a model beyond what the process has; UsageError if VARIABLE is no number."""
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
    """Bound memory; returns the bound before, None where the kernel does not tell what a process has."""
    data_bytes = _data_bytes()
    if data_bytes is None:
        return None
    soft, hard = before = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [limit for limit in (soft, hard, data_bytes + further_bytes) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    return before


def _data_bytes() -> int | None:
    statm = _statm(os.getpid())
    return None if statm is None else int(os.pread(statm, 256, 0).split()[DATA_FIELD]) * mmap.PAGESIZE


@functools.cache
def _statm(_pid: int) -> int | None:
    """Open statm once for each process, for bounds are set around every single inference."""
    try:
        return os.open(STATM, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def too_large(path: Path) -> EnvironmentUnfit:
    """Return the error for a file that takes more memory than it may."""
    megabytes = allowance_bytes(path) // 1_000_000
    return EnvironmentUnfit(f"{path} takes more memory than the {megabytes:,} MB that a file of its size may.", RAISE)
