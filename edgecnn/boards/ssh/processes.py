"""The processes of `ssh` on this machine: how one is ended, and what it left in a temporary file."""

from __future__ import annotations

import contextlib
import subprocess
from typing import IO


def end(process: subprocess.Popen[bytes]) -> None:
    """Close our ends of its pipes, which tells the process to end; kill it if it does not."""
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        process.wait(5 if process.stdin else 0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def read_bytes(stream: IO[bytes]) -> bytes:
    """Read a file from its beginning."""
    stream.seek(0)
    return stream.read()


def read_text(stream: IO[bytes]) -> str:
    """Read a file from its beginning as text."""
    return read_bytes(stream).decode(errors="replace")
