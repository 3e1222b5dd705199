"""Debian's packages for arm64, unpacked into a folder; none of their scripts runs, so nothing is emulated."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from edgecnn.boards.emulated import tools
from edgecnn.errors import EnvironmentUnfit

RELEASES = ("trixie", "bookworm")
"""The releases under Raspberry Pi OS, today's first: Python 3.13 and glibc 2.41, then Python 3.11 and glibc 2.36."""
PACKAGES = (
    "base-files", "base-passwd", "bash", "busybox-static", "coreutils", "dash", "grep", "gzip", "libc-bin", "libc6",
    "libstdc++6", "openssh-server", "procps", "python3", "sed", "tar",
)  # fmt: skip
KERNEL = "linux-image-cloud-arm64"
"""Debian's smallest kernel, which drives virtual devices only."""
KERNEL_FILES = ("--wildcards", "./boot/*", "*/lib/modules/*")
"""The files of its package that are needed, as tar takes them; from trixie on the modules are below /usr."""
POCKETS = ("", "updates", "security")
LEFT_OUT = ("./dev/*", "./usr/share/doc/*", "./usr/share/locale/*", "./usr/share/man/*", "./var/lib/apt/*")

# The kernel's own package is fetched, for the one that depends on the newest kernel brings perl and udev.
FETCH_KERNEL = f"""
set -e
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
cd "$1"
newest=$(apt-cache depends {KERNEL} | sed -n 's/.*Depends: \\(linux-image-[0-9].*\\)/\\1/p' | head -n 1)
apt-get download -qq "$newest"
"""


def unpack(release: str, archive: Path, root: Path) -> None:
    """Unpack PACKAGES of a release into `root`, and put the kernel's package beside them.

    Args:
        release: One of RELEASES.
        archive: A path for a temporary file.
        root: The folder to unpack into.

    Raises:
        EnvironmentUnfit: The packages cannot be fetched.
    """
    mode = "root" if os.geteuid() == 0 else "unshare"
    settings = [f"--aptopt={line}" for line in ('Apt::Install-Recommends "0"', *_network_settings())]
    command = ["mmdebstrap", "--quiet", f"--mode={mode}", "--architectures=arm64", "--variant=extract", *settings]
    command += [f"--include={','.join(PACKAGES)}", f"--extract-hook={FETCH_KERNEL}", release, str(archive)]
    try:
        tools.call([*command, *_mirrors(release)])
    except EnvironmentUnfit as error:
        if mode == "unshare":
            error.hint = (
                "without root it needs `apt-get install uidmap` and a line for you in /etc/subuid and /etc/subgid"
            )
        raise
    left_out = (f"--exclude={name}" for name in LEFT_OUT)
    tools.call(["tar", "-xf", str(archive), "-C", str(root), "--no-same-owner", *left_out])
    archive.unlink()


def _mirrors(release: str) -> list[str]:
    """List this machine's own Debian mirrors, as lines of sources.list for `release`.

    The list is empty on another system than Debian: mmdebstrap then takes its default.
    """
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)"
    lines: list[str] = []
    for line in tools.output(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).splitlines():
        uri, own, component, origin = (*line.split(maxsplit=3), "", "", "", "")[:4]
        name, dash, pocket = own.partition("-")
        # Before the first `apt-get update` the origin is not known.
        is_debian = name == release or origin == "Debian"
        if is_debian and component == "main" and (origin == "Debian" or origin.startswith("$")) and pocket in POCKETS:
            lines.append(f"deb {uri} {release}{dash}{pocket} main")
    return list(dict.fromkeys(lines))


def _network_settings() -> list[str]:
    """List this machine's proxies and the like, for mmdebstrap runs apt with a configuration of its own."""
    lines = tools.output(["apt-config", "dump", "Acquire"]).splitlines()
    return [line.rstrip(";") for line in lines if re.match(r'Acquire::(?:https?|ftp)(?:::\S+)? "[^"]+";$', line)]


def extract_kernel(package: Path, target: Path) -> None:
    """Unpack the kernel and its modules into `target`. Raises EnvironmentUnfit."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as archive:
        tools.call(["tar", "-xf", "-", "-C", str(target), "--no-same-owner", *KERNEL_FILES], archive.stdout)
    if archive.returncode:
        raise EnvironmentUnfit(f"{package.name} cannot be unpacked.", "edgecnn board make --again")


def versions(status: Path) -> str:
    """Return a line "name version" for each package in dpkg's status file."""
    pairs = re.findall(
        r"^Package: (\S+)$(?:.|\n(?!\n))*?^Version: (\S+)$", status.read_text(encoding="utf-8"), re.MULTILINE
    )
    return "".join(f"{name} {version}\n" for name, version in sorted(pairs))
