"""The disk, kernel and keys of an emulated board, made once from Debian's packages and kept in the cache.

The packages are only unpacked: none of their scripts runs, so nothing is emulated while the image is built, and the
little that the scripts would have done (users, a host key) is done here. The three boards share the image of a release
of Debian; only their cores differ.

image-<release>-<key>/
    kernel, initrd     what qemu starts
    disk.img           the root file system, without Python packages
    id, host.pub       our key, which the board lets in, and the key that the board shows
    packages.txt       name and version of every package unpacked
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgecnn.boards.emulated import debian, initramfs, tools
from edgecnn.common import console, files, locks, scratch
from edgecnn.common.cache import cache_folder

DISK_BYTES = 4_000_000_000
"""The size of the disk as the board sees it; the file is sparse."""
APPLETS = ("free", "ip", "mount", "ping", "ps", "top", "umount", "uptime", "vi", "which")
INIT = "/sbin/board"

BOARD = """#!/bin/sh
mkdir -p /dev/pts /dev/shm
busybox mount -t devpts devpts /dev/pts
busybox mount -t tmpfs tmpfs /dev/shm
busybox mount -t tmpfs tmpfs /run
busybox mount -t tmpfs tmpfs /tmp
mkdir -p /run/sshd
ln -sf /proc/self/fd /dev/fd
echo board > /proc/sys/kernel/hostname
echo 1 > /proc/sys/kernel/perf_event_paranoid
exec /usr/sbin/sshd -D -e -f /etc/ssh/sshd_board
"""

SSHD = """Port 22
HostKey /etc/ssh/host
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
PrintMotd no
MaxStartups 100
MaxSessions 100
LoginGraceTime 0
"""


@dataclass(frozen=True)
class Image:
    """A finished image, which is a folder of the cache."""

    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "kernel"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def identity(self) -> Path:
        return self.folder / "id"

    @property
    def host_key(self) -> str:
        """The public key that the board shows, as a line of known_hosts has it."""
        return " ".join((self.folder / "host.pub").read_text(encoding="utf-8").split()[:2])


def folder() -> Path:
    """Return the folder in which images are kept."""
    return cache_folder() / "emulator"


def key() -> str:
    """Return a digest of all the code that decides what is in an image."""
    sources = (Path(__file__), Path(debian.__file__), Path(initramfs.__file__))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def find(release: str) -> Image | None:
    """Return the image of a release if it has been made."""
    image = Image(folder() / f"image-{release}-{key()}")
    return image if image.folder.is_dir() else None


def make(release: str, *, again: bool = False) -> Image:
    """Return the image of a release; it is made unless it is there.

    Args:
        release: One of `debian.RELEASES`.
        again: Whether to make it anew, from the packages as they are today.

    Raises:
        EnvironmentUnfit: A tool is missing, or the packages cannot be fetched.
    """
    if (image := find(release)) and not again:
        return image
    tools.require(tools.TO_BUILD)
    files.make_folder(folder())
    with locks.in_turn(folder() / "lock"):
        if (image := find(release)) and not again:  # another process was quicker
            return image
        made = Image(folder() / f"image-{release}-{key()}")
        with scratch.folder(folder()) as work:
            _build(release, work)
            if made.folder.exists():
                made.folder.rename(work / "old")
            (work / "image").rename(made.folder)
        return made


def _build(release: str, work: Path) -> None:
    root, kernel, image = work / "root", work / "kernel", work / "image"
    for place in (root, kernel, image):
        place.mkdir()
    console.note(f"unpacking Debian {release} for arm64 ...")
    debian.unpack(release, work / "root.tar", root)
    [package] = root.glob("linux-image-*.deb")
    debian.extract_kernel(package.rename(work / "kernel.deb"), kernel)
    console.note("making the disk ...")
    _settle(root, image)
    [vmlinuz] = kernel.glob("boot/vmlinuz-*")
    vmlinuz.rename(image / "kernel")
    (image / "initrd").write_bytes(initramfs.build(kernel, root / "bin/busybox", INIT))
    packages = debian.versions(root / "var/lib/dpkg/status") + f"{vmlinuz.name}\n"
    (image / "packages.txt").write_text(packages, encoding="utf-8")
    # Without root, this user stands for root in a namespace of its own, so that the files on the disk are root's.
    as_root = [] if os.geteuid() == 0 else [tools.path("unshare"), "--user", "--map-root-user"]
    disk = image / "disk.img"
    options = [
        "-q",
        "-t",
        "ext4",
        "-m",
        "0",
        "-O",
        "^has_journal",
        "-E",
        "root_owner=0:0,lazy_itable_init=1",
        "-d",
        str(root),
    ]
    tools.call([*as_root, tools.path("mke2fs"), *options, str(disk), str(DISK_BYTES // 1024)])


def _settle(root: Path, image: Path) -> None:
    """Do what the packages' scripts would have done, and set up the keys for ssh."""
    for name, program in (("id", image / "id"), ("host", root / "etc/ssh/host")):
        tools.call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"edgecnn-{name}", "-f", str(program)])
    shutil.copy(root / "etc/ssh/host.pub", image / "host.pub")
    master = (root / "usr/share/base-passwd/passwd.master").read_text(encoding="utf-8").replace(":*:", ":x:")
    contents = {
        "etc/passwd": master + "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n",
        "etc/group": (root / "usr/share/base-passwd/group.master").read_text(encoding="utf-8"),
        "etc/shadow": "root:*:19000:0:99999:7:::\n",
        "etc/hostname": "board\n",
        "etc/hosts": "127.0.0.1 localhost board\n",
        "etc/ssh/sshd_board": SSHD,
        "root/.ssh/authorized_keys": (image / "id.pub").read_text(encoding="utf-8"),
        "var/log/lastlog": "",
        INIT[1:]: BOARD,
    }
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
    for name, mode in {
        "etc/shadow": 0o600,
        "etc/ssh/host": 0o600,
        "root": 0o700,
        "root/.ssh": 0o700,
        "root/.ssh/authorized_keys": 0o600,
        INIT[1:]: 0o755,
    }.items():
        (root / name).chmod(mode)
    for name in ("dev", "proc", "run", "sys", "tmp"):
        (root / name).mkdir(exist_ok=True)
    for applet in APPLETS:
        if not (root / "bin" / applet).exists() and not (root / "usr/bin" / applet).exists():
            (root / "bin" / applet).symlink_to("busybox")
