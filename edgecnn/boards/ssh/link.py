"""One multiplexed connection of the system's OpenSSH, so that keys, agents and jump hosts work as the user set them up.

The first `ssh` is the master. It runs `cat` on the board for as long as this process holds its standard input, so it
ends with this process, however that ends. Every later call goes through its socket. Host keys are checked by the
user's own rules; nothing here loosens them. What a login script prints around an answer is not part of the answer
(`edgecnn.boards.ssh.framing`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgecnn.boards.ssh import openssh, processes
from edgecnn.boards.ssh.failures import refused, shut, unwritten
from edgecnn.boards.ssh.framing import Mark
from edgecnn.boards.ssh.line_session import ANSWER_TIMEOUT_S, MOST_ANSWER_BYTES, MOST_NOISE_BYTES, LineSession
from edgecnn.common import files
from edgecnn.common.replies import last_line
from edgecnn.errors import BoardUnfit, LinkError

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
"""A push that is cut off ends `cat` early: the digest then differs, and the part is removed."""

BOUNDED = 'ulimit -c 0; ulimit -f "$1"; shift; exec "$@"'
"""Ends a program that writes a file of more than $1 blocks of 512 bytes (POSIX): a board's answers go into files."""
LEAST_PUSH_BYTES_PER_S = 20_000

FETCH = """
digest=$(sha256sum < "$1") || exit
printf '%s\\n' "${digest%% *}"
exec cat -- "$1"
"""


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """The result of a command on the board; a return code of 128 + n says that signal n ended it."""

    returncode: int
    stdout: bytes
    stderr: str


@contextlib.contextmanager
def connect(destination: str, options: Sequence[str] = ()) -> Iterator[Link]:
    """Connect to "user@host[:port]", or to a `Host` of ~/.ssh/config; the link is closed at the end.

    Args:
        destination: Where to connect to.
        options: Further arguments of ssh, as in ("-F", "config").

    Raises:
        UsageError: The destination is not an address.
        LinkError: The board cannot be reached, does not let us in, or shows another host key than before.
    """
    arguments = openssh.arguments(destination)
    if not shutil.which("ssh"):
        raise LinkError("This machine has no ssh.", "apt install openssh-client")
    mark = Mark()
    with openssh.socket_folder() as folder, tempfile.TemporaryFile() as notes:
        bounded = ["sh", "-c", BOUNDED, "sh", str(MOST_ANSWER_BYTES // 512)]
        shared = [*bounded, "ssh", *openssh.FIRM, "-o", f"ControlPath={folder}/s"]
        leading = ["-o", "ControlMaster=yes", "-o", "ControlPersist=no"]
        master = subprocess.Popen(
            [*shared, *leading, *options, *arguments, mark.announced(["cat"])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=notes,
            start_new_session=True,  # Ctrl-C is ours to handle; the master ends with our end of its pipe
        )
        try:
            said = _read_to(mark.text, master)
            if mark.text not in said:
                asked = ["ssh", "-o", f"ControlPath={folder}/s", "-O", "check", *options, *arguments]
                raise _not_ready(destination, master, asked, said, processes.read_text(notes))
            yield Link(destination, [*shared, *openssh.THROUGH_MASTER, *options, *arguments])
        finally:
            processes.end(master)


class Link:
    """An open connection to a board, where paths are absolute."""

    def __init__(self, destination: str, command: Sequence[str]) -> None:
        self.destination = destination
        self._command = tuple(command)

    def run(
        self, argv: Sequence[str], stdin: bytes | IO[bytes] = b"", timeout_s: float = ANSWER_TIMEOUT_S
    ) -> CommandResult:
        """Run a program there to its end; no shell sees an unquoted word of `argv`.

        Raises:
            LinkError: The link is cut, or no answer came within `timeout_s`.
            BoardUnfit: The answer is longer than that of any program of ours.
        """
        mark = Mark()
        _, stdout, stderr = self._ended(mark.framed(argv), stdin, timeout_s)
        answer = mark.answer(stdout)
        if answer is None:
            raise self._unanswered(argv[0], mark.text in stdout, stdout + stderr)
        return CommandResult(
            returncode=answer[0], stdout=answer[1], stderr=mark.command_stderr(stderr).decode(errors="replace")
        )

    def _ended(self, line: str, stdin: bytes | IO[bytes], timeout_s: float) -> tuple[int, bytes, bytes]:
        """Run ssh with one command line: (exit code, stdout, stderr)."""
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            if isinstance(stdin, bytes):
                source.write(stdin)
                source.seek(0)
                stdin = source
            command = [*self._command, line]
            process = subprocess.Popen(command, stdin=stdin, stdout=out, stderr=err, start_new_session=True)
            try:
                code = process.wait(timeout_s)
            except subprocess.TimeoutExpired as error:
                raise LinkError(f"{self.destination} did not answer within {timeout_s:g} s.") from error
            finally:
                processes.end(process)
            if max(os.fstat(stream.fileno()).st_size for stream in (out, err)) >= MOST_ANSWER_BYTES:
                raise self.too_long(MOST_ANSWER_BYTES)
            return code, processes.read_bytes(out), processes.read_bytes(err)

    def script(
        self,
        text: str,
        arguments: Sequence[str] = (),
        stdin: bytes | IO[bytes] = b"",
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> CommandResult:
        """Run a POSIX sh script there, with `arguments` as its $1, $2 and so on."""
        return self.run(["sh", "-c", text, "sh", *arguments], stdin, timeout_s)

    def push(self, source: Path | bytes, target: str) -> None:
        """Write `source` to the file `target` there: all of it, checked by sha256, or nothing.

        Raises:
            LinkError: The link is cut.
            BoardUnfit: The board has no room for it, or we may not write there.
        """
        size_bytes = len(source) if isinstance(source, bytes) else source.stat().st_size
        timeout_s = ANSWER_TIMEOUT_S + size_bytes / LEAST_PUSH_BYTES_PER_S
        if isinstance(source, bytes):
            answer = self.script(PUSH, [target, hashlib.sha256(source).hexdigest()], source, timeout_s)
        else:
            digest = files.sha256(source)
            with source.open("rb") as stream:
                answer = self.script(PUSH, [target, digest], stream, timeout_s)
        if answer.returncode == 65:
            raise LinkError(f"{target} reached {self.destination} damaged: its sha256 differs.", "try again")
        if answer.returncode:
            raise unwritten(self.destination, target, answer.returncode, answer.stderr, size_bytes)

    def fetch(self, path: str) -> bytes:
        """Read a file there. Raises BoardUnfit if it cannot be read, LinkError when the link is cut."""
        answer = self.script(FETCH, [path])
        if answer.returncode:
            raise BoardUnfit(f"Cannot read {path} on {self.destination}: {last_line(answer.stderr)}.")
        digest, _, data = answer.stdout.partition(b"\n")
        if hashlib.sha256(data).hexdigest() != digest.decode(errors="replace"):
            raise LinkError(f"{path} came from {self.destination} damaged: its sha256 differs.", "try again")
        return data

    @contextlib.contextmanager
    def session(self, argv: Sequence[str]) -> Iterator[LineSession]:
        """Start a program there that answers line by line; the end of its standard input tells it to end."""
        mark = Mark()
        with tempfile.TemporaryFile() as notes:
            process = subprocess.Popen(
                [*self._command, mark.announced(argv)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=notes,
                start_new_session=True,
            )
            try:
                yield LineSession(self, process, notes, mark)
            finally:
                processes.end(process)

    def is_open(self) -> bool:
        """Return whether the board still answers through this link."""
        mark = Mark()
        try:
            code, stdout, _ = self._ended(mark.framed(["true"]), b"", 2 * openssh.CONNECT_TIMEOUT_S)
        except LinkError:
            return False
        return code != openssh.FAILED or mark.text in stdout

    def _unanswered(self, program: str, has_begun: bool, output: bytes) -> LinkError:
        """Explain why the output of a command has no mark at its end."""
        if not self.is_open():
            return self.cut()
        if has_begun:
            return LinkError(
                f"{program} on {self.destination} and the shell that ran it were ended before they were done.",
                "`dmesg` there says if memory ran out",
            )
        return shut(self.destination, "ended before it ran a command", output.decode(errors="replace"))

    def too_long(self, most_bytes: int) -> BoardUnfit:
        """Return the error for an answer of more than `most_bytes`."""
        return BoardUnfit(
            f"{self.destination} answered with more than {most_bytes / 1e6:.0f} MB, which no program of ours does.",
            "is it the board it should be, and do its programs say what they should?",
        )

    def cut(self) -> LinkError:
        """Return the error for a link that is gone."""
        return LinkError(f"The link to {self.destination} was cut.", "is the board still on, and on the network?")


def _read_to(mark: bytes, master: subprocess.Popen[bytes]) -> bytes:
    """Read what the master prints up to the mark; without the mark it gave up, or was not ready in time."""
    assert master.stdout is not None
    end = time.monotonic() + 2 * openssh.CONNECT_TIMEOUT_S
    said = b""
    while mark not in said and len(said) < MOST_NOISE_BYTES and (left_s := end - time.monotonic()) > 0:
        if not select.select([master.stdout], [], [], left_s)[0]:
            break
        block = os.read(master.stdout.fileno(), 1 << 16)
        if not block:
            break
        said += block
    return said


def _not_ready(
    destination: str, master: subprocess.Popen[bytes], asked: Sequence[str], output: bytes, notes: str
) -> LinkError:
    """Explain why the master runs nothing: ssh was refused, or the login shell ran no command."""
    text = output.decode(errors="replace") + notes
    with contextlib.suppress(subprocess.TimeoutExpired):
        if (code := master.wait(1)) != openssh.FAILED:
            return shut(destination, f"ended with exit code {code} before it ran a command", text)
    is_in = master.poll() is None and subprocess.run(asked, capture_output=True, check=False).returncode == 0
    master.kill()
    master.wait()
    if len(output) >= MOST_NOISE_BYTES:
        return shut(destination, f"printed {MOST_NOISE_BYTES / 1e6:.0f} MB and had run no command yet", text)
    if is_in:
        return shut(destination, f"ran no command within {2 * openssh.CONNECT_TIMEOUT_S} s", text)
    return refused(destination, notes)
