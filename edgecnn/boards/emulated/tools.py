"""The programs of this machine that an emulated board needs, and the Debian packages that have them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from edgecnn.errors import EnvironmentUnfit

PACKAGES = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-x86_64": "qemu-user",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "tar": "tar",
    "unshare": "util-linux",
}
FOR_USER_MODE = ("qemu-x86_64",)
TO_BUILD = tuple(program for program in PACKAGES if program not in FOR_USER_MODE)
TO_RUN = ("qemu-system-aarch64", "ssh")


def path(program: str) -> str:
    """Return where a program is, also in /usr/sbin and /sbin, which are not on every user's PATH."""
    return _which(program) or program


def require(programs: Sequence[str]) -> None:
    """Raise EnvironmentUnfit if a program is missing; it names all of them and the line that installs them."""
    missing = [program for program in programs if not _which(program)]
    if missing:
        packages = sorted({PACKAGES[program] for program in missing})
        raise EnvironmentUnfit(
            f"An emulated board needs {', '.join(missing)}, which this machine does not have.",
            f"on Debian: sudo apt-get install --no-install-recommends {' '.join(packages)}",
        )


def output(command: Sequence[str]) -> str:
    """Run a program and return its stdout, whatever its exit code."""
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False).stdout


def call(command: Sequence[str], stdin: IO[bytes] | None = None) -> None:
    """Run a program. Raises EnvironmentUnfit with its last words if it fails."""
    source = stdin or subprocess.DEVNULL
    done = subprocess.run(command, stdin=source, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()
        name = Path(command[0]).name
        raise EnvironmentUnfit(f"{name} failed while making the board: {lines[-1] if lines else 'it said nothing'}")


def _which(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
