"""The servers of a board's releases: which release each answers with, and telling them of another.

Needs the standard library only: it is sent to a board together with `releases`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import time
import zipfile
from pathlib import Path
from typing import Any

LONGEST_TEXT = 1 << 16
"""Characters that are read of what a server wrote."""
TOLD_TIMEOUT_S = 120.0
"""The time that a server has to try a release, finish what it has accepted, and go on with the new one."""


def tell(root: Path, current: str | None) -> dict[str, Any]:
    """Tell the servers that answer with another release of the current one, and wait until they have it.

    Returns:
        What each server made of it: "told" answer with it now, "ended" are gone, "refused" stay with the release they
        have for a reason, and "deaf" did not react or cannot be told.
    """
    waiting = {}
    answer: dict[str, list[dict[str, Any]]] = {"told": [], "ended": [], "refused": [], "deaf": []}

    def note(group: str, pid: int, release: str, reason: str = "") -> None:
        answer[group].append({"pid": pid, "release": release, "reason": reason})

    for pid, release in [(pid, release) for pid, (release, _) in servers(root).items() if release != current]:
        with contextlib.suppress(OSError):
            process = os.pidfd_open(pid)
            if pid in servers(root):  # so it is the process that holds the lock, and no later one of that id
                signal.pidfd_send_signal(process, signal.SIGHUP)
                waiting[pid] = (process, release)
    known, end = set(waiting), time.monotonic() + TOLD_TIMEOUT_S
    registers = _registers(root / "current")
    while waiting and time.monotonic() < end:
        now_serving = servers(root)
        if not registers:
            now_serving |= {pid: (release, "") for pid, release in programs(root, "serve").items()}
        for pid, (process, release) in list(waiting.items()):
            now, refused = now_serving.get(pid, (release, ""))
            if now == current:
                note("told", pid, release)
            elif refused.startswith(f"{current} "):
                note("refused", pid, release, refused.partition(" ")[2])
            elif select.select([process], [], [], 0)[0]:
                note("ended", pid, release)
            else:
                continue
            del waiting[pid]
        time.sleep(0.05)
    for pid, (_, release) in waiting.items():
        note("deaf", pid, release)
    for pid, release in programs(root, "serve").items():
        if release != current and pid not in known:
            note("deaf", pid, release)
    return answer


def servers(root: Path) -> dict[int, tuple[str, str]]:
    """Map each server's process id to the release it answers with, and to the one it refused, with the reason."""
    by_pid = {}
    for path in (root / "serving").glob("*"):
        with contextlib.suppress(OSError, ValueError), path.open(encoding="utf-8") as stream:
            pid = int(path.name)
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
                path.unlink()  # its holder is gone
            except BlockingIOError:
                release, refused, *_ = [*stream.read(LONGEST_TEXT).splitlines(), "", ""]
                by_pid[pid] = (release, refused)
    return by_pid


def _registers(release: Path) -> bool:
    """Return whether servers of this release register; those of older runners are known by what they run."""
    with contextlib.suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(release / "edgecnn.pyz") as program:
        return any(name.endswith("runner/running.py") for name in program.namelist())
    return False


def programs(root: Path, word: str = "") -> dict[int, str]:
    """Map every process that runs a release's program, with `word` among its arguments if named, to that release."""
    start, by_pid = f"{root.resolve()}/releases/", {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError, ValueError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            for place in words:
                if place.startswith(start) and (not word or word in words):
                    by_pid[int(path.parent.name)] = place.removeprefix(start).partition("/")[0]
    return by_pid
