"""The disk of an emulated board with its packages on it.

The packages come over ssh, as they come to any board. An emulated machine takes minutes for what a Raspberry Pi does
in seconds, so the disk is kept afterwards, one for each set of versions.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgecnn.boards.emulated import machine
from edgecnn.boards.emulated.image import Image
from edgecnn.boards.ssh import board_facts, preflight, provision, remote
from edgecnn.boards.ssh.link import connect
from edgecnn.common import console, documents, files, locks
from edgecnn.errors import EnvironmentUnfit
from edgecnn.onboard import archive

MAKER = "pi5"
"""The core on which the disk is made; its contents are the same for all cores."""
POWER_OFF_S = 60

# Python keeps what it has compiled beside the source, which saves half the time of the next start.
WARM_UP = """
import sys
sys.path.insert(0, sys.argv[1])
from edgecnn.onboard import measure, runtimes, worker
from PIL import Image
Image.init()
for name in runtimes.on_boards():
    runtimes.get(name).import_engine()
"""

# The kernel remounts the disk read-only, so that its file system is whole without a journal.
POWER_OFF = """
sync
echo u > /proc/sysrq-trigger
busybox poweroff -f
"""


def find(image: Image, packages: Sequence[str]) -> Path | None:
    """Return the disk if it has been made."""
    path = _path(image, packages)
    return path if path.is_file() else None


def make(image: Image, packages: Sequence[str]) -> Path:
    """Return the image's disk with these packages, in the versions installed here; it is made unless it is there.

    Raises:
        EnvironmentUnfit: The machine does not come up.
        BoardUnfit: There is no wheel for one of the packages.
    """
    path = _path(image, packages)
    with locks.in_turn(image.folder / "lock"):
        if not path.is_file():
            console.note("putting the packages on the disk ...")
            with files.replacing(path) as disk:
                subprocess.run(["cp", "--sparse=always", "--reflink=auto", str(image.disk), str(disk)], check=True)
                _fill(image, disk, packages)
            for old in image.folder.glob("disk-*.img"):
                if old != path:
                    old.unlink()
    return path


def _path(image: Image, packages: Sequence[str]) -> Path:
    versions = documents.canonical(provision.pinned(packages))
    return image.folder / f"disk-{hashlib.sha256(versions.encode()).hexdigest()[:12]}.img"


def _fill(image: Image, disk: Path, packages: Sequence[str]) -> None:
    """Boot a machine from the disk, send the packages, import them once, and power it off."""
    with machine.boot(image, disk, MAKER, keep=True) as guest:
        with connect(machine.HOST, guest.ssh_options) as link:
            facts = board_facts.read(link)
            site = provision.provision(link, facts, packages)
            preflight.require(facts)
            assert facts.python is not None
            worker = "/tmp/worker.pyz"
            link.push(archive.worker(), worker)
            words = ["env", f"PYTHONPATH={site}", facts.python.path, *remote.ISOLATED, "-c", WARM_UP, worker]
            done = link.run(words)
            if done.returncode:
                raise EnvironmentUnfit(f"The packages do not import on the emulated board: {done.stderr.strip()}")
            link.run(["sh", "-c", f"({POWER_OFF}) > /dev/null 2>&1 &"])
        guest.await_end(POWER_OFF_S)
