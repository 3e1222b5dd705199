"""One multiplexed connection of the system's OpenSSH, so that keys, agents and jump hosts work as the user set them.

The first `ssh` is the master: it runs `cat` on the board for as long as this process holds its standard
input, so it ends with this process however that ends. Every later call goes through its socket. Host
keys are checked by the user's own rules; nothing here loosens them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import select
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgecnn import files
from edgecnn.complaints import last_line as last_line
from edgecnn.complaints import refused, unwritten
from edgecnn.errors import BoardUnfit, LinkError, UsageError

CONNECT_TIMEOUT_S = 15
ALIVE_INTERVAL_S = 10
ALIVE_COUNT = 3
"""A link that says nothing for the product of the two is taken for cut."""
LONGEST_SOCKET_FOLDER = 60
"""Of the 108 bytes of a Unix socket's path (unix(7)), ssh itself needs some 20."""

READY = b"edgecnn-ready"
MASTER = f"echo {READY.decode()}; exec cat"

# Ours come first on the command line, and of two settings ssh takes the first.
FIRM = (
    "-T", "-a", "-x",
    "-o", "BatchMode=yes",
    "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}",
    "-o", f"ServerAliveInterval={ALIVE_INTERVAL_S}",
    "-o", f"ServerAliveCountMax={ALIVE_COUNT}",
    "-o", "ClearAllForwardings=yes",
    "-o", "PermitLocalCommand=no",
    "-o", "RemoteCommand=none",
    "-o", "LogLevel=ERROR",
)  # fmt: skip

# A second, unshared connection must not be opened behind our back when the master is gone.
THROUGH_MASTER = ("-o", "ControlMaster=no", "-o", "ProxyCommand=false")

PUSH = """
set -eu
target=$1 digest=$2
mkdir -p -- "${target%/*}"
part=$target.part.$$
trap 'rm -f -- "$part"' EXIT
trap 'exit 1' HUP INT TERM PIPE XFSZ
cat > "$part"
actual=$(sha256sum < "$part")
[ "${actual%% *}" = "$digest" ] || { echo 'its sha256 differs' >&2; exit 65; }
mv -f -- "$part" "$target"
"""
"""A push that is cut ends `cat` early; the digest then differs and the part is removed."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command on the board gave; its return code is 128 + n for one that a shell saw end by signal n."""

    returncode: int
    stdout: bytes
    stderr: str


@contextlib.contextmanager
def connect(destination: str, options: Sequence[str] = ()) -> Iterator[Link]:
    """A Link to "user@host[:port]", or to a `Host` of ~/.ssh/config, closed behind.

    `options` are further arguments of ssh, as in ("-F", "config"). Raises UsageError for a destination
    that is none; LinkError for a board that is not reached, does not let us in, or shows another host
    key than it did.
    """
    arguments = _arguments(destination)
    if not shutil.which("ssh"):
        raise LinkError("This machine has no ssh.", "apt install openssh-client")
    with _socket_folder() as folder, tempfile.TemporaryFile() as notes:
        shared = ["ssh", *FIRM, "-o", f"ControlPath={folder}/s"]
        master = subprocess.Popen(
            [*shared, "-o", "ControlMaster=yes", "-o", "ControlPersist=no", *options, *arguments, MASTER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=notes,
            start_new_session=True,  # Ctrl-C is ours to handle; the master ends with our end of its pipe
        )
        try:
            if not _is_ready(master):
                master.kill()
                master.wait()
                raise refused(destination, _text(notes))
            yield Link(destination, [*shared, *THROUGH_MASTER, *options, *arguments])
        finally:
            _end(master)


class Link:
    """A connection that is open. Paths on the board are absolute."""

    def __init__(self, destination: str, command: Sequence[str]) -> None:
        self.destination = destination
        self._command = tuple(command)

    def run(self, argv: Sequence[str], stdin: bytes | IO[bytes] = b"", timeout_s: float | None = None) -> Answer:
        """Run a program there to its end; no shell sees an unquoted word of `argv`.

        Raises LinkError when the link is cut, or no answer came within `timeout_s`.
        """
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            if isinstance(stdin, bytes):
                given.write(stdin)
                given.seek(0)
                stdin = given
            command = [*self._command, shlex.join(argv)]
            process = subprocess.Popen(command, stdin=stdin, stdout=out, stderr=err, start_new_session=True)
            try:
                returncode = process.wait(timeout_s)
            except subprocess.TimeoutExpired as error:
                raise LinkError(f"{self.destination} did not answer within {timeout_s:g} s.") from error
            finally:
                _end(process)
            out.seek(0)
            answer = Answer(returncode=returncode, stdout=out.read(), stderr=_text(err))
        if returncode == 255 and not self.is_open():  # ssh's own code, which a program may return too
            raise self.cut()
        return answer

    def script(
        self,
        text: str,
        arguments: Sequence[str] = (),
        stdin: bytes | IO[bytes] = b"",
        timeout_s: float | None = None,
    ) -> Answer:
        """Run a POSIX sh script there, `arguments` being its $1, $2, …"""
        return self.run(["sh", "-c", text, "sh", *arguments], stdin, timeout_s)

    def push(self, source: Path | bytes, target: str) -> None:
        """Make `source` the file `target` there: the whole of it, checked by sha256, or nothing.

        Raises LinkError when the link is cut, BoardUnfit when the board has no room or no permission.
        """
        if isinstance(source, bytes):
            answer = self.script(PUSH, [target, hashlib.sha256(source).hexdigest()], source)
        else:
            digest = files.sha256(source)
            with source.open("rb") as stream:
                answer = self.script(PUSH, [target, digest], stream)
        if answer.returncode == 65:
            raise LinkError(f"{target} reached {self.destination} damaged: its sha256 differs.", "try again")
        if answer.returncode:
            raise unwritten(self.destination, target, answer.returncode, answer.stderr)

    def fetch(self, path: str) -> bytes:
        """The bytes of a file there. Raises BoardUnfit if it cannot be read, LinkError when the link is cut."""
        answer = self.run(["cat", "--", path])
        if answer.returncode:
            raise BoardUnfit(f"Cannot read {path} on {self.destination}: {last_line(answer.stderr)}.")
        return answer.stdout

    @contextlib.contextmanager
    def session(self, argv: Sequence[str]) -> Iterator[Session]:
        """A program there that answers line by line; it is told to end by the end of its standard input."""
        with tempfile.TemporaryFile() as notes:
            process = subprocess.Popen(
                [*self._command, shlex.join(argv)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=notes,
                start_new_session=True,
            )
            try:
                yield Session(self, process, notes)
            finally:
                _end(process)

    def is_open(self) -> bool:
        """Whether the board still answers through this link."""
        command = [*self._command, "true"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True)
        return done.returncode == 0

    def cut(self) -> LinkError:
        return LinkError(f"The link to {self.destination} was cut.", "is the board still on, and on the network?")


class Session:
    """A program on the board that answers a line with a line."""

    def __init__(self, link: Link, process: subprocess.Popen[bytes], notes: IO[bytes]) -> None:
        self._link = link
        self._process = process
        self._notes = notes

    def send(self, line: bytes) -> None:
        """Raises LinkError when nobody takes it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error

    def receive(self) -> bytes:
        """The next line. Raises LinkError when the link is cut, or the program ended without a word."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._ended()
        return line.rstrip(b"\n")

    def _ended(self) -> LinkError:
        if not self._link.is_open():
            return self._link.cut()
        reason = last_line(_text(self._notes)) or "it said nothing"
        return LinkError(f"The program on {self._link.destination} ended: {reason}.")


def _arguments(destination: str) -> list[str]:
    """ "user@host:port" as ssh takes it. What could be read as an option or by a shell is no destination."""
    match = re.fullmatch(
        r"(?:(?P<user>[\w.+-]+)@)?(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?", destination
    )
    if not match or destination.startswith("-") or match["host"].startswith("-"):
        raise UsageError(f"{destination!r} is not the address of a board.", "--board ssh://user@host[:port]")
    port = ["-p", match["port"]] if match["port"] else []
    host = match["host"].strip("[]")
    return [*port, "--", f"{match['user']}@{host}" if match["user"] else host]


@contextlib.contextmanager
def _socket_folder() -> Iterator[str]:
    """A private folder with a path short enough for a socket."""
    folder = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(
        prefix="edgecnn-", dir=folder if len(folder) <= LONGEST_SOCKET_FOLDER else "/tmp"
    ) as short:
        yield short


def _is_ready(master: subprocess.Popen[bytes]) -> bool:
    """Wait until the master has logged in; False when it gave up, or was not done in time."""
    assert master.stdout is not None
    end = time.monotonic() + 2 * CONNECT_TIMEOUT_S
    seen = b""
    while (left_s := end - time.monotonic()) > 0:
        if not select.select([master.stdout], [], [], left_s)[0]:
            break
        block = os.read(master.stdout.fileno(), 4096)
        seen += block  # a login script may have printed before us
        if READY in seen:
            return True
        if not block:
            break
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close our ends, which tells the other side; kill what does not end by itself."""
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        process.wait(5 if process.stdin else 0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
