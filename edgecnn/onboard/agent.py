"""The program that stays on a board during a bench: it holds the board's lock and runs one worker at a time.

    python3 -I -S -X utf8 agent.py LOCK OWNER

It speaks lines of JSON. First it prints {"held": null}, or {"held": OWNER} with who else holds the lock, and ends. Then
it answers each line {"argv", "env", "stdin"} by {"returncode", "stdout", "stderr"}. When its standard input ends, for
whatever reason the link ended, it kills the worker and ends too. It is sent alone, so it imports the standard library
only.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

TAKE_OVER_S = 10
PR_SET_PDEATHSIG = 1
"""The option of prctl(2) that sets the signal a process gets when its parent dies."""
MOST_BYTES = 1 << 30
"""The largest file that a worker may write, stdout included: it may hold a model, and must not fill the disk."""
LAST_BYTES = 4096
"""How much of the end of a worker's stderr is kept."""


def main(lock: str, owner: str) -> int:
    """Serve until standard input ends; `owner` is JSON with host, user, pid, since and token."""
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(1))
    # The lock is held for as long as the process lives.
    stream = Path(lock).open("a+", encoding="utf-8")  # noqa: SIM115
    holder = acquire(stream, json.loads(owner))
    _say({"held": holder})
    if holder is not None:
        return 2
    for line in sys.stdin.buffer:
        answer = work(**json.loads(line))
        if answer is None:
            break
        _say(answer)
    return 0


def acquire(stream: IO[str], owner: dict[str, Any]) -> dict[str, Any] | None:
    """Lock the file and write the owner into it; if somebody else holds the lock, return who does.

    The kernel frees the lock when its holder dies, so it is never stale. An agent of the same owner, left behind by a
    link that was cut, is told to end.
    """
    end = time.monotonic() + TAKE_OVER_S
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            holder = _holder(stream)
            if holder.get("token") != owner["token"] or time.monotonic() > end:
                return holder
            _end_agent(int(holder["agent"]))
            time.sleep(0.05)
    stream.seek(0)
    stream.truncate()
    json.dump({**owner, "agent": os.getpid()}, stream)
    stream.flush()
    return None


def work(argv: list[str], env: dict[str, str], stdin: str) -> dict[str, Any] | None:
    """Run one worker to its end; None if standard input ended first, which ends the worker too."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        source.write(stdin.encode())
        source.seek(0)
        worker = subprocess.Popen(
            argv, env=clean | env, stdin=source, stdout=out, stderr=err, start_new_session=True, preexec_fn=_expendable
        )
        try:
            ended = os.pidfd_open(worker.pid)
            try:
                ready, _, _ = select.select([0, ended], [], [])
            finally:
                os.close(ended)
            if ended not in ready:  # nobody writes while a worker runs: this is the end of the input
                return None
        finally:
            _kill_group(worker.pid)
            returncode = worker.wait()
        if out.seek(0, os.SEEK_END) >= MOST_BYTES:
            out.truncate(0)  # no answer is that long
        out.seek(0)
        err.seek(max(0, err.seek(0, os.SEEK_END) - LAST_BYTES))
        return {
            "returncode": returncode,
            "stdout": out.read().decode(errors="replace"),
            "stderr": err.read().decode(errors="replace"),
        }


def _expendable() -> None:
    """Set up the worker's process to die with the agent, to fill no disk, and to be killed first without memory."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES if hard < 0 else min(MOST_BYTES, hard), hard))
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _holder(stream: IO[str]) -> dict[str, Any]:
    """Read who holds the lock; empty if the holder has not written yet."""
    stream.seek(0)
    try:
        holder = json.loads(stream.read())
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _end_agent(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def _say(answer: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads it any more
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
