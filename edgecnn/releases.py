"""The program that keeps a model's releases on a board.

    python3 -I -S -X utf8 - COMMAND ROOT ...        this text on its stdin

ROOT/                   ~/edgecnn/<name>
    releases/<id>/      a bundle, its packages and `run`, which starts it
    current             -> releases/<id>
    run                 -> current/run: what a user types
    history             ids of the releases that were current, the last one is
    lock                held while one of the above changes

Each command prints one line of JSON. A release is made under another name and gets its own when it is
whole; `current` is replaced by a rename, so it leads to the old release or to the new one at any moment,
also through a power cut. `current` is the truth: a history that a crash left behind follows it.
It is sent alone, so it imports the standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

KEPT = 3
"""Releases that are not removed, the current one among them."""

# No site, no user folder: nothing of the board's own packages gets in between. The folder is found
# through every link, so a program that runs stays with its release when `current` moves on.
RUN = """#!/bin/sh
here=$(dirname -- "$(readlink -f -- "$0")")
PYTHONPATH=$here/packages exec {python} -X utf8 -S -s "$here/edgecnn.pyz" "$@"
"""


def main(command: str, root: str, *arguments: str) -> int:
    commands: dict[str, Callable[..., dict[str, Any]]]
    commands = {"status": status, "unpack": unpack, "switch": switch, "rollback": rollback, "drop": drop}
    folder = Path(root)
    if command == "rollback" and not folder.is_dir():
        print(json.dumps({"error": "there is no earlier release"}))
        return 0
    try:
        with _locked(folder):
            answer = commands[command](folder, *arguments)
    except (OSError, zipfile.BadZipFile) as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))
    return 0


def status(root: Path) -> dict[str, Any]:
    """The current release and all that could be."""
    return {
        "current": _current(root),
        "history": _history(root),
        "releases": sorted(path.name for path in (root / "releases").iterdir() if not path.name.startswith(".")),
    }


def unpack(root: Path, release: str, archive: str, packages: str, python: str) -> dict[str, Any]:
    """Make a release of a bundle's archive and a folder of packages; one of that name is replaced."""
    part, target = root / "releases" / f".{release}.{os.getpid()}", root / "releases" / release
    try:
        with zipfile.ZipFile(archive) as bundle:
            bundle.extractall(part)
        # Hard links: no bytes are copied, and a cache that is emptied takes nothing away.
        shutil.copytree(packages, part / "packages", copy_function=_link)
        run = part / "run"
        run.write_text(RUN.format(python=shlex.quote(python)), encoding="utf-8")
        run.chmod(0o755)
        os.sync()
        if target.exists():
            target.rename(part.with_name(f"{part.name}.old"))
        part.rename(target)
    finally:
        for rest in (root / "releases").glob(f"{part.name}*"):
            shutil.rmtree(rest, ignore_errors=True)
        Path(archive).unlink(missing_ok=True)
    return {}


def switch(root: Path, release: str) -> dict[str, Any]:
    """Make a release the current one, then remove those that are older than the last KEPT."""
    if not (root / "releases" / release / "run").is_file():
        return {"error": f"release {release} is gone: somebody else deployed at the same time"}
    before, history = _current(root), _history(root)
    _point(root / "current", Path("releases", release))
    _point(root / "run", Path("current", "run"))
    history = [*(one for one in history if one != release), release]
    _write(root / "history", history[-KEPT:])
    removed = [path for path in (root / "releases").iterdir() if path.name not in history[-KEPT:]]
    for path in removed:
        shutil.rmtree(path, ignore_errors=True)
    for path in root.glob("*.zip*"):  # what a push that was cut left
        path.unlink(missing_ok=True)
    return {"before": before if before != release else None}


def rollback(root: Path) -> dict[str, Any]:
    """Make the release before the current one the current one."""
    history = _history(root)
    if len(history) < 2:
        return {"error": "there is no earlier release"}
    _point(root / "current", Path("releases", history[-2]))
    _write(root / "history", history[:-1])
    return {"before": history[-1], "current": history[-2]}


def drop(root: Path, release: str) -> dict[str, Any]:
    """Remove a release that never became the current one, or no longer is."""
    if release != _current(root):
        shutil.rmtree(root / "releases" / release, ignore_errors=True)
    return {}


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Wait for our turn. The kernel frees the lock when its holder dies."""
    (root / "releases").mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _current(root: Path) -> str | None:
    with contextlib.suppress(OSError):
        return (root / "current").readlink().name
    return None


def _history(root: Path) -> list[str]:
    """Releases that are still there, from the oldest to the current one."""
    current, lines = _current(root), []
    with contextlib.suppress(OSError):
        lines = (root / "history").read_text(encoding="utf-8").split()
    if current in lines:
        lines = lines[: lines.index(current) + 1]
    elif current:
        lines.append(current)
    return [line for line in lines if (root / "releases" / line / "run").is_file()]


def _point(link: Path, target: Path) -> None:
    """Make `link` lead to `target` in one step."""
    part = link.with_name(f".{link.name}.{os.getpid()}")
    part.symlink_to(target)
    part.replace(link)
    _flush(link.parent)


def _write(path: Path, lines: list[str]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("w", encoding="utf-8") as stream:
        stream.write("".join(f"{line}\n" for line in lines))
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    _flush(path.parent)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
