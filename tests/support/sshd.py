"""A real sshd on 127.0.0.1 that plays the board: own keys, own configuration, a home folder of its own.

Every command it runs goes through `enter`, a shell script that sets HOME, puts `bin/` first on PATH, so
that a test can put a fake `uname` or `vcgencmd` there, and reads `limits`, for a `ulimit`.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

PROGRAM = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
CLIENT = shutil.which("ssh")

needed = pytest.mark.skipif(PROGRAM is None, reason="needs OpenSSH's sshd")

ENTER = """#!/bin/sh
HOME={home} PATH={bin}:$PATH
unset XDG_CACHE_HOME
export HOME PATH
. {limits}
cd "$HOME" && exec sh -c "$SSH_ORIGINAL_COMMAND"
"""


class Sshd:
    """One sshd, started and stopped at will; its folder holds everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.bin = folder / "bin"
        self.limits = folder / "limits"
        self.destination = f"{getpass.getuser()}@board"
        self._process: subprocess.Popen[bytes] | None = None
        for path in (self.home, self.bin):
            path.mkdir(parents=True)
        self.limits.touch()
        self.new_host_key()
        key(folder / "id")
        shutil.copy(folder / "id.pub", folder / "authorized_keys")
        self.port = _free_port()
        enter = folder / "enter"
        enter.write_text(ENTER.format(**{name: shlex.quote(str(folder / name)) for name in ("home", "bin", "limits")}))
        enter.chmod(0o755)
        self.remember_host_key()
        self.write_client_config()

    @property
    def options(self) -> tuple[str, ...]:
        """The options for `link.connect`: the client's configuration, in which `board` is a Host."""
        return ("-F", str(self.folder / "client"))

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "edgecnn"

    def start(self) -> None:
        config = self.folder / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {self.folder}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nStrictModes no\nPasswordAuthentication no\n"
            f"KbdInteractiveAuthentication no\nForceCommand {self.folder}/enter\nMaxSessions 20\nMaxStartups 50\n"
            f"SetEnv HOME={self.home}\n"  # before the login shell starts, which reads its own files there
        )
        assert PROGRAM is not None
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stderr=log
            )
        end = time.monotonic() + 20
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        """The board goes away: nobody listens, and every open connection is cut."""
        if self._process:
            self.cut()
            self._process.kill()
            self._process.wait()
            self._process = None

    def cut(self) -> None:
        """Cut every open connection, without a goodbye. What runs on the board is not touched."""
        assert self._process is not None
        servers = [child for child in psutil.Process(self._process.pid).children(recursive=True) if _is_sshd(child)]
        for server in servers:
            with contextlib.suppress(psutil.NoSuchProcess):
                server.send_signal(signal.SIGKILL)

    def put_program(self, name: str, text: str) -> None:
        """A shell script that stands before the system's program of that name."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def new_host_key(self) -> None:
        for name in ("host", "host.pub"):
            (self.folder / name).unlink(missing_ok=True)
        key(self.folder / "host")

    def remember_host_key(self) -> None:
        kind, public = (self.folder / "host.pub").read_text().split()[:2]
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {public}\n")

    def write_client_config(self, identity: Path | None = None, extra: Sequence[str] = ()) -> None:
        lines = [
            "Host board",
            "HostName 127.0.0.1",
            f"Port {self.port}",
            f"IdentityFile {identity or self.folder / 'id'}",
            "IdentitiesOnly yes",
            "IdentityAgent none",
            f"UserKnownHostsFile {self.folder}/known_hosts",
            "GlobalKnownHostsFile /dev/null",
            *extra,
        ]
        (self.folder / "client").write_text("\n".join(lines) + "\n")

    def processes(self, word: str) -> list[psutil.Process]:
        """Every process whose command line holds this board's folder and `word`, the sshd and its shells left out."""
        processes = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                words = process.cmdline()
                if (
                    process.pid != os.getpid()
                    and any(str(self.home) in each for each in words)
                    and any(word in each for each in words)
                ):
                    processes.append(process)
        return processes


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Sshd]:
    """A board with an empty home, for one test."""
    server = Sshd(tmp_path / "board")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def _is_sshd(process: psutil.Process) -> bool:
    try:
        return process.name().startswith("sshd")  # type: ignore[no-any-return]
    except psutil.NoSuchProcess:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
