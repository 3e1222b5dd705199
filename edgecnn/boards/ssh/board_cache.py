"""The cache on a board: files and folders under the sha256 of their contents, so that each is sent once.

~/.cache/edgecnn/
    files/<sha256>/<name>     a file, or a model's several
    folders/<sha256>/         an unpacked archive
    lock                      who is using the board (`edgecnn.onboard.agent`)
"""

from __future__ import annotations

import functools
import hashlib
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from edgecnn.boards.ssh.board_facts import BoardFacts
from edgecnn.boards.ssh.link import Link
from edgecnn.boards.ssh.preflight import STANDARD_LIBRARY_ONLY, interpreter, require
from edgecnn.common import console, files
from edgecnn.common.replies import last_line
from edgecnn.errors import BoardUnfit
from edgecnn.records import model_files

WORTH_A_NOTE_BYTES = 2_000_000
ROOM_TO_SPARE_BYTES = 10_000_000

# A folder gets its name last, when everything in it has reached the disk.
UNPACK = """
import os, shutil, sys, zipfile
archive, folder = sys.argv[1:]
part = f"{folder}.part.{os.getpid()}"
try:
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with zipfile.ZipFile(archive) as bundle:
        bundle.extractall(part)
    os.sync()
    os.rename(part, folder)
except Exception as error:
    shutil.rmtree(part, ignore_errors=True)
    if not os.path.isdir(folder):
        sys.exit(str(error))
finally:
    os.unlink(archive)
"""

CLEAN = """
import fcntl, json, os, shutil, sys
root, freed = sys.argv[1], 0
if not os.path.isdir(root):
    print(0)
    sys.exit()
with open(os.path.join(root, "lock"), "a+") as lock:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(75)
    for folder, _, names in os.walk(root):
        freed += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
    for name in os.listdir(root):
        if name != "lock":
            shutil.rmtree(os.path.join(root, name))
print(freed)
"""


class BoardCache:
    """The cache of one board, reached through one link."""

    def __init__(self, link: Link, facts: BoardFacts) -> None:
        self._link = link
        self._facts = facts
        self._known: set[str] = set()

    def put(self, source: Path | bytes, name: str) -> str:
        """Have a file with these bytes and this name there; returns its path. Raises LinkError or BoardUnfit."""
        digest = hashlib.sha256(source).hexdigest() if isinstance(source, bytes) else files.sha256(source)
        target = f"{self._facts.cache}/files/{digest}/{name}"
        self._ensure(target, "-f", lambda: self._push(source, target))
        return target

    def put_model(self, model: Path) -> str:
        """Have a model there with all files that it reads beside it; returns its path. Raises as `put` does."""
        folder = f"{self._facts.cache}/files/{model_files.sha256(model)}"
        for place in (*model_files.files_beside(model), model.name):
            source, target = model.parent / place, f"{folder}/{place}"
            self._ensure(target, "-f", functools.partial(self._push, source, target))
        return f"{folder}/{model.name}"

    def unpack(self, archive: Path) -> str:
        """Have a zip archive there as a folder; returns its path. Raises LinkError or BoardUnfit."""
        digest = files.sha256(archive)
        target = f"{self._facts.cache}/folders/{digest}"
        self._ensure(target, "-d", lambda: self._push_folder(archive, f"{target}.zip", target))
        return target

    def _ensure(self, target: str, test: str, send: Callable[[], None]) -> None:
        """Call `send` unless `target` is there already; `test` is the option of test(1) that says so."""
        if target not in self._known and self._link.run(["test", test, target]).returncode:
            send()
        self._known.add(target)

    def _push(self, source: Path | bytes, target: str) -> None:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > WORTH_A_NOTE_BYTES:
            console.note(f"Sending {size / 1e6:.0f} MB to {self._link.destination}, once")
        self._link.push(source, target)

    def _push_folder(self, archive: Path, incoming: str, target: str) -> None:
        """Send a zip archive as the file `incoming`, and unpack it there into the folder `target`."""
        with zipfile.ZipFile(archive) as bundle:
            unpacked_bytes = sum(entry.file_size for entry in bundle.infolist())
        require(self._facts, room_bytes=archive.stat().st_size + unpacked_bytes + ROOM_TO_SPARE_BYTES)
        self._push(archive, incoming)
        answer = self._link.run([interpreter(self._facts), *STANDARD_LIBRARY_ONLY, "-c", UNPACK, incoming, target])
        if answer.returncode:
            raise BoardUnfit(
                f"Cannot unpack {target} on {self._link.destination}: {last_line(answer.stderr)}.",
                "`edgecnn board clean` empties what we keep there",
            )


def clean(link: Link, facts: BoardFacts) -> int:
    """Empty the cache of a board; returns the bytes freed. Raises BoardUnfit while a bench holds the board."""
    answer = link.run([interpreter(facts), *STANDARD_LIBRARY_ONLY, "-c", CLEAN, facts.cache])
    if answer.returncode == 75:
        raise BoardUnfit(f"{link.destination} is in use by a bench.", "wait for its end")
    if answer.returncode:
        raise BoardUnfit(f"Cannot clean {facts.cache} on {link.destination}: {last_line(answer.stderr)}.")
    if not re.fullmatch(rb"[0-9]{1,18}\n?", answer.stdout):
        raise BoardUnfit(f"Cannot tell what was cleaned in {facts.cache} on {link.destination}: it gave no number.")
    return int(answer.stdout)


def pack(folder: Path, archive: Path, keep: Callable[[Path], bool] = lambda path: True) -> None:
    """Write the files of `folder` that `keep` accepts into a zip archive; the same files give the same bytes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    kept = [path for path in paths if keep(path.relative_to(folder))]
    with files.replacing(archive) as temporary:
        files.reproducible_zip(temporary, ((path.relative_to(folder).as_posix(), path.read_bytes()) for path in kept))
