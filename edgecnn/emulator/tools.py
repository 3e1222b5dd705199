"""The programs an emulated board needs of this machine, and the Debian packages they come in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

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
    """Where a program is; system administration's folders count, though they are not on every user's PATH."""
    return _which(program) or program


def require(programs: Sequence[str]) -> None:
    """Raise EnvironmentUnfit that names every missing program and the line that installs them."""
    missing = [program for program in programs if not _which(program)]
    if missing:
        packages = sorted({PACKAGES[program] for program in missing})
        raise EnvironmentUnfit(
            f"An emulated board needs {', '.join(missing)}, which this machine does not have.",
            f"on Debian: sudo apt-get install --no-install-recommends {' '.join(packages)}",
        )


def _which(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
