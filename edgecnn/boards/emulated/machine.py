"""One emulated machine: qemu with the board's core, reached through 127.0.0.1 only."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from edgecnn.boards.emulated import debian, leash, tools
from edgecnn.boards.emulated.image import Image
from edgecnn.common import documents, scratch
from edgecnn.errors import EnvironmentUnfit

CPUS = {"pi3": "cortex-a53", "pi4": "cortex-a72", "pi5": "cortex-a76"}
"""The cores of a Raspberry Pi 3, 4 and 5; qemu's own default is never used, for its SME gives wrong int8 results."""
BOARDS = {
    core if release == debian.RELEASES[0] else f"{core}-{release}": (core, release)
    for release in debian.RELEASES
    for core in CPUS
}
"""Each board's core and release of Debian, by its name."""
MEMORY_MB = 1024
BOOT_TIMEOUT_S = 180
HOST = "board"
"""The board's name in the ssh configuration that is written for it."""

# One instruction takes one nanosecond of the machine's own time, so that runs repeat and its kernel can count
# instructions. This works for a single core only, which is no slower than two that must keep in step.
COUNTING = ("-smp", "1", "-icount", "shift=0,sleep=on")

# Addresses drawn anew in every process would change the work of allocators and copies by some hundred instructions.
KERNEL_ARGUMENTS = "console=ttyAMA0 quiet panic=-1 norandmaps nokaslr"

CONFIG = """Host {host}
    HostName 127.0.0.1
    Port {port}
    User root
    IdentityFile "{identity}"
    IdentitiesOnly yes
    IdentityAgent none
    HostKeyAlias {host}
    UserKnownHostsFile "{folder}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
"""


@contextlib.contextmanager
def boot(image: Image, disk: Path, name: str, *, keep: bool = False) -> Iterator[EmulatedMachine]:
    """Boot a machine that answers on its ssh port; it is gone when the block is left or this process dies.

    Args:
        image: The kernel, the initramfs and the keys.
        disk: The disk to start from.
        name: The core, one of CPUS.
        keep: Whether the disk keeps what the machine writes.

    Raises:
        EnvironmentUnfit: The machine does not come up.
    """
    tools.require(tools.TO_RUN)
    with scratch.folder() as folder, tempfile.TemporaryFile() as notes:
        console = folder / "console.log"
        command = _command(image, disk, name, keep, console)
        process = subprocess.Popen(
            leash.command(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=notes,
            start_new_session=True,  # Ctrl-C is for us; it then ends here, in order
        )
        try:
            machine = EmulatedMachine(process, Path(folder))
            try:
                machine.await_ssh(image, time.monotonic() + BOOT_TIMEOUT_S)
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                raise EnvironmentUnfit(
                    f"The emulated {name} did not come up: {_last_words(notes, console) or error}.",
                    "edgecnn board make --again",
                ) from error
            yield machine
        finally:
            process.kill()
            process.communicate()


class EmulatedMachine:
    """A running machine."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._folder = folder

    @property
    def pid(self) -> int:
        """The process id of qemu."""
        return self._process.pid

    @property
    def ssh_options(self) -> tuple[str, str]:
        """The options with which `ssh` finds HOST: a configuration of its own, whose host key is known."""
        return "-F", str(self._folder / "config")

    def await_ssh(self, image: Image, end: float) -> None:
        """Write the ssh configuration, and wait until sshd answers.

        Raises:
            TimeoutError: It did not answer until `end`, in monotonic seconds.
            EOFError: qemu ended before.
        """
        self._ask("qmp_capabilities")
        port = self._port()
        (self._folder / "config").write_text(
            CONFIG.format(host=HOST, port=port, identity=image.identity, folder=self._folder), encoding="utf-8"
        )
        (self._folder / "known_hosts").write_text(f"{HOST} {image.host_key}\n", encoding="utf-8")
        while not _greets(port):
            if self._process.poll() is not None:
                raise EOFError(f"qemu ended with exit code {self._process.returncode}")
            if time.monotonic() > end:
                raise TimeoutError(f"no sshd within {BOOT_TIMEOUT_S} s")
            time.sleep(0.1)

    def await_end(self, timeout_s: float) -> None:
        """Wait for a machine that was told to power off. Raises EnvironmentUnfit if it does not end in time."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise EnvironmentUnfit("The emulated board does not power off.", "edgecnn board make --again") from error

    def _port(self) -> int:
        """Ask for the port: qemu took a free one by itself, so that no other program could take it first."""
        listing = self._ask("human-monitor-command", {"command-line": "info usernet"})
        match = re.search(r"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", str(listing))
        if not match:
            raise ValueError("qemu forwards no port")
        return int(match[1])

    def _ask(self, command: str, arguments: dict[str, str] | None = None) -> Any:
        """Run a command of the QEMU Machine Protocol over qemu's standard input and output; returns its result."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = documents.to_json({"execute": command, "arguments": arguments or {}}, None)
        self._process.stdin.write(asked.encode() + b"\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            answer = documents.table(line)
            if "error" in answer:
                raise ValueError(f"qemu does not {command}: {answer['error'].get('desc')}")
            if "return" in answer:
                return answer["return"]
        raise EOFError("qemu ended")


def _command(image: Image, disk: Path, name: str, keep: bool, console: Path) -> list[str]:
    drive = f"file={_escaped(disk)},format=raw,if=none,id=disk,snapshot={'off' if keep else 'on'}"
    return [
        tools.path("qemu-system-aarch64"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-qmp", "stdio"),
        *("-M", "virt", "-cpu", CPUS[name], "-m", str(MEMORY_MB), *COUNTING),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", KERNEL_ARGUMENTS),
        *("-drive", drive, "-device", "virtio-blk-pci,drive=disk,romfile="),
        # Nothing gets out of the machine, and only this machine gets in, through a free port that qemu takes.
        *("-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"),
        *("-device", "virtio-net-pci,netdev=net,romfile=", "-serial", f"file:{_escaped(console)}"),
    ]


def _escaped(path: Path) -> str:
    """Write a path as part of an option of qemu, where a comma separates settings."""
    return str(path).replace(",", ",,")


def _greets(port: int) -> bool:
    """Return whether an sshd answers on the port; qemu accepts connections before there is one."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        return connection.recv(4) == b"SSH-"
    return False


def _last_words(notes: IO[bytes], console: Path) -> str:
    """Return the last line of the machine's console, or else of qemu."""
    notes.seek(0)
    said = notes.read().decode(errors="replace") + (
        console.read_text(encoding="utf-8", errors="replace") if console.is_file() else ""
    )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else ""
