"""The first file system of a kernel: a static busybox, the modules for the disk and the network, and one script."""

from __future__ import annotations

import gzip
import lzma
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

MODULES = ("ext4", "virtio_pci", "virtio_mmio", "virtio_blk", "virtio_net")

# The addresses are those of qemu's user network.
INIT = """#!/bin/busybox sh
busybox=/bin/busybox
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sysfs /sys
$busybox mount -t devtmpfs dev /dev
for module in {modules}; do $busybox insmod /modules/$module.ko; done
tries=0
while [ ! -e /dev/vda ] || [ ! -e /sys/class/net/eth0 ]; do
    [ $tries -lt 200 ] || {{ echo "no disk or no network"; exit 1; }}
    tries=$((tries+1)); $busybox sleep 0.05
done
$busybox mount -t ext4 -o noatime /dev/vda /disk || {{ echo "no file system on the disk"; exit 1; }}
$busybox ip link set lo up
$busybox ip link set eth0 up
$busybox ip addr add 10.0.2.15/24 dev eth0
for folder in proc sys dev; do $busybox mount --move /$folder /disk/$folder; done
exec $busybox switch_root /disk {init}
"""

_FOLDER, _FILE, _PROGRAM = 0o040755, 0o100644, 0o100755


def build(modules_folder: Path, busybox: Path, init: str) -> bytes:
    """Build a gzipped initramfs that mounts the disk and goes on with a program there.

    Args:
        modules_folder: The folder with the kernel's modules; Debian compresses them from trixie on.
        busybox: A static busybox.
        init: The path of the program on the disk.
    """
    files = {path.name.partition(".")[0].replace("-", "_"): path for path in modules_folder.rglob("*.ko*")}
    modules = {name: _content(path) for name, path in files.items()}
    order = load_order(MODULES, modules)
    script = INIT.format(modules=" ".join(order), init=init)
    entries = [(name, _FOLDER, b"") for name in ("bin", "modules", "proc", "sys", "dev", "disk")]
    entries += [("bin/busybox", _PROGRAM, busybox.read_bytes()), ("init", _PROGRAM, script.encode())]
    entries += [(f"modules/{name}.ko", _FILE, modules[name]) for name in order]
    return gzip.compress(cpio(entries), 1, mtime=0)


def _content(module: Path) -> bytes:
    """Read a module, unpacked, for busybox loads no compressed one."""
    return lzma.decompress(module.read_bytes()) if module.suffix == ".xz" else module.read_bytes()


def load_order(wanted: Sequence[str], modules: Mapping[str, bytes]) -> list[str]:
    """Order the wanted modules and their dependencies so that each comes after all that it needs.

    A module that is built into the kernel is left out.

    Args:
        wanted: The names of the modules to load.
        modules: Each module's content by its name; its .modinfo section names its dependencies.
    """
    order: list[str] = []

    def visit(name: str) -> None:
        name = name.replace("-", "_")
        if name in order or name not in modules:
            return
        match = re.search(rb"\0depends=([^\0]*)\0", modules[name])
        for dependency in match[1].decode().split(",") if match and match[1] else []:
            visit(dependency)
        order.append(name)

    for name in wanted:
        visit(name)
    return order


def cpio(entries: Iterable[tuple[str, int, bytes]]) -> bytes:
    """Pack the (name, mode, content) of each file into a "newc" archive, which a kernel unpacks.

    The format is in Documentation/driver-api/early-userspace/buffer-format.rst of the Linux kernel.
    """
    return b"".join(_cpio_parts(entries))


def _cpio_parts(entries: Iterable[tuple[str, int, bytes]]) -> Iterator[bytes]:
    for inode, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        path = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + path
        yield head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)
