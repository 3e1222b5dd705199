"""Memory that a process frees and wants again costs it no new pages."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import contextlib
import resource
import sys
import torch
from edgecnn.pipeline.train import malloc

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def step():
    torch.ones(12_000_000)  # 48 MB: more than glibc would come to keep by itself

def resident_bytes():
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * resource.getpagesize()

before = resident_bytes()
with malloc.keep_freed_pages() if sys.argv[1] == "kept" else contextlib.nullcontext(True) as kept:
    assert kept
    faults()  # the heap grows until each block finds a place
    print(faults())
assert resident_bytes() < before + 48_000_000
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own setting")
def test_freed_memory_is_used_again_without_a_fault_and_given_back_at_the_end() -> None:
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", PROGRAM, word], check=True, capture_output=True, text=True).stdout)
        for word in ("kept", "given back")
    )
    assert given_back > 1000
    assert kept < given_back / 10
