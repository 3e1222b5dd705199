"""The program that keeps a model's releases on a board.

    python3 -I -S -X utf8 - COMMAND ROOT ...        this text on its stdin

ROOT/                   ~/edgecnn/<name>
    releases/<id>/      a bundle, its packages and `run`, which starts it
    current             -> releases/<id>
    run                 -> current/run: what a user types
    history             ids of the releases that were current, the last one is
    lock                held while one of the above changes
    serving/<pid>       the release that a server answers with, locked by it (`edgecnn.onboard.runner.running`)

Each command prints one line of JSON. A release is made under another name and gets its own when it is whole. `current`
is replaced by a rename, so at any moment it leads to the old release or to the new one, also after a power cut. It
decides: a history that a crash left behind is read so that it ends with `current`. A release that a process runs is
never removed, however many came after it.
A board that trusts certain signers takes nobody else's bundles (`signatures`). It is sent as one text with the modules
it imports (`archive.program`); all need the standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edgecnn.onboard import json_files, serving, signatures

KEPT = 3
"""How many releases are kept, the current one among them; those that run are kept besides."""
LONGEST_TEXT = 1 << 16
"""How much of a small file is read."""
# Without site and user folders none of the board's own packages is found. The release's folder is found through every
# link, so that a running program stays with its release when `current` moves on.
RUN = """#!/bin/sh
here=$(dirname -- "$(readlink -f -- "$0")")
PYTHONPATH=$here/packages exec {python} -X utf8 -S -s "$here/edgecnn.pyz" "$@"
"""


def main(command: str, root: str, *arguments: str) -> int:
    """Do one command, alone, and print its answer or its error as JSON."""
    commands: dict[str, Callable[..., dict[str, Any]]]
    commands = {"status": status, "unpack": unpack, "switch": switch, "tell": tell}
    commands |= {"sign": sign, "rollback": rollback, "undo": undo, "drop": drop}
    folder = Path(root)
    if command == "rollback" and not folder.is_dir():
        print(json.dumps({"error": "there is no earlier release"}))
        return 0
    try:
        with _locked(folder):
            answer = commands[command](folder, *arguments)
    except signatures.Untrusted as error:
        answer = {"untrusted": str(error), "hint": error.hint}
    except OSError as error:
        answer = {"error": _sentence(error, folder)}
    except Exception as error:  # zipfile alone raises eight kinds for a damaged archive
        answer = {"error": f"{type(error).__name__}: {error}"[:LONGEST_TEXT]}
    print(json.dumps(answer))
    return 0


def status(root: Path) -> dict[str, Any]:
    """Say which release is current, which ones there are and what they hold, and who serves."""
    names = sorted(path.name for path in (root / "releases").iterdir() if _is_plain(path.name))
    return {
        "current": _current(root),
        "history": _history(root),
        "releases": names,
        "models": {name: _model(root / "releases" / name) for name in names},
        "serving": {str(pid): release for pid, (release, _) in sorted(serving.servers(root).items())},
    }


def unpack(root: Path, release: str, archive: str, packages: str, python: str) -> dict[str, Any]:
    """Make a release from a bundle's archive and a folder of packages, in place of one of that name."""
    part, target = root / "releases" / f".{release}.{os.getpid()}", root / "releases" / release
    try:
        with zipfile.ZipFile(archive) as bundle:
            _check(bundle, root)
            signatures.require_archive(root, bundle)
            bundle.extractall(part)
        # With hard links no bytes are copied, and the release outlives a cache that is emptied.
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


def sign(root: Path, release: str, archive: str) -> dict[str, Any]:
    """Give a release that is there the signature in its bundle's archive, if this board takes it."""
    with zipfile.ZipFile(archive) as bundle:
        signatures.require_archive(root, bundle)
        for name in (signatures.DOCUMENT, signatures.SIGNATURE):
            _write(root / "releases" / release / name, bundle.read(name).decode().splitlines())
    Path(archive).unlink()
    return {}


def switch(root: Path, release: str) -> dict[str, Any]:
    """Make a release the current one, then remove those that are older than the last KEPT."""
    if not (root / "releases" / release / "run").is_file():
        return {"error": f"release {release} is gone: somebody else deployed at the same time"}
    signatures.require_release(root, root / "releases" / release)
    before, history = _current(root), [name for name in _history(root) if name != release] + [release]
    _write(root / "history", history[-KEPT:])
    _point(root / "run", Path("current", "run"))
    _point(root / "current", Path("releases", release))  # last: what fails before it changes nothing
    signatures.remember(root, root / "releases" / release)
    kept = {
        *history[-KEPT:],
        *serving.programs(root).values(),
        *(release for release, _ in serving.servers(root).values()),
    }
    removed = [path for path in (root / "releases").iterdir() if path.name not in kept]
    for path in removed:
        shutil.rmtree(path, ignore_errors=True)
    for path in (*root.glob("*.zip*"), *root.glob(".*")):  # left by a push that was cut or a change that was killed
        path.unlink(missing_ok=True)
    return {"before": before if before != release else None}


def rollback(root: Path, expected: str = "") -> dict[str, Any]:
    """Make the release before the current one current; it must be the `expected` one, if that is named."""
    history = _history(root)
    if len(history) < 2:
        return {"error": "there is no earlier release"}
    if expected not in ("", history[-2]):
        return {"error": f"release {expected} is not the one before: somebody else deployed at the same time"}
    signatures.require_release(root, root / "releases" / history[-2], may_be_older=True)
    _write(root / "history", history[:-1])
    _point(root / "current", Path("releases", history[-2]))
    return {"before": history[-1], "current": history[-2]}


def undo(root: Path, before: str = "") -> dict[str, Any]:
    """Take back the last switch: `before` is current again, or no release is, and the new release is removed."""
    current = _current(root)
    history = [name for name in _history(root) if name not in (current, before)]
    if before:
        _write(root / "history", [*history, before])
        _point(root / "current", Path("releases", before))
    else:
        for name in ("run", "current", "history"):
            (root / name).unlink(missing_ok=True)
    return drop(root, current) if current else {}


def drop(root: Path, release: str) -> dict[str, Any]:
    """Remove a release, unless it is current or runs."""
    if release not in (_current(root), *serving.programs(root).values()):
        shutil.rmtree(root / "releases" / release, ignore_errors=True)
    return {}


def tell(root: Path) -> dict[str, Any]:
    """Tell the servers of the current release (`serving.tell`)."""
    return serving.tell(root, _current(root))


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold the lock, waiting for it; the kernel frees it when its holder dies."""
    (root / "releases").mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _current(root: Path) -> str | None:
    """Return the id of the current release, if there is one."""
    with contextlib.suppress(OSError):
        name = (root / "current").readlink().name
        return name if _is_plain(name) else None
    return None


def _is_plain(name: str) -> bool:
    """Return whether a release may have this name, which is the name of a folder in `releases/`."""
    return name.isprintable() and "/" not in name and not name.startswith(".") and 0 < len(name) <= 100


def _check(bundle: zipfile.ZipFile, root: Path) -> None:
    """Raise ValueError if a name in the archive leads out of it, OSError if there is no room for it."""
    for name in bundle.namelist():
        if name.startswith("/") or not name.isprintable() or "\\" in name or ".." in name.split("/"):
            raise ValueError(f"the archive has the name {name!r} in it")
    if len(bundle.namelist()) != len(set(bundle.namelist())):
        raise ValueError("the archive has a name twice")
    needed_bytes, free_bytes = sum(entry.file_size for entry in bundle.infolist()), shutil.disk_usage(root).free
    if needed_bytes > free_bytes:
        raise OSError(errno.ENOSPC, f"{needed_bytes / 1e6:.1f} MB are needed", str(root))


def _sentence(error: OSError, root: Path) -> str:
    """Describe an error; for a full disk, name the folder and how much is free in it."""
    text = str(error.args[0][0][-1] if isinstance(error, shutil.Error) and error.args[0] else error)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) and os.strerror(errno.ENOSPC) not in text:
        return text[:LONGEST_TEXT]
    place = next(folder for folder in (root, *root.parents) if folder.is_dir())
    need = f", {error.strerror}" if error.errno and error.strerror != os.strerror(error.errno) else ""
    free_mb = shutil.disk_usage(place).free / 1e6
    return f"there is no room in {root}: {free_mb:.1f} MB are free{need}; `edgecnn board clean` empties our cache there"


def _model(release: Path) -> dict[str, str | None]:
    """Read what a release holds from its manifest and card: the model's file, its run and weights, its classes."""
    model: dict[str, str | None] = dict.fromkeys(("model", "run", "run_sha256", "classes_sha256"))
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        name = json_files.table(release / "manifest.json")["model"]
        if isinstance(name, str) and _is_plain(name):
            model["model"] = name
        card = json_files.table(release / f"{model['model']}.json")
        model |= {key: card[key] for key in ("run", "run_sha256") if isinstance(card[key], str)}
        model["classes_sha256"] = classes_sha256(card["labels"])
    return model


def classes_sha256(labels: Sequence[str]) -> str:
    """Return a digest of the class names in their order."""
    return hashlib.sha256("\0".join(labels).encode(errors="replace")).hexdigest()


def _history(root: Path) -> list[str]:
    """List the releases of the history that still exist, from the oldest to the current one."""
    current, lines = _current(root), list[str]()
    if (root / "history").is_file():
        with contextlib.suppress(OSError), (root / "history").open(encoding="utf-8", errors="replace") as stream:
            lines = [line for line in stream.read(LONGEST_TEXT).split() if _is_plain(line)]
    if current in lines:
        lines = lines[: lines.index(current) + 1]
    elif current:
        lines.append(current)
    return [line for line in lines if (root / "releases" / line / "run").is_file()]


def _point(link: Path, target: Path) -> None:
    """Make a symbolic link lead to `target`, in one step."""
    part = link.with_name(f".{link.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(link)
    _flush(link.parent)


def _write(path: Path, lines: list[str]) -> None:
    """Replace a file by these lines, on the disk before it gets its name."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("w", encoding="utf-8") as stream:
            stream.write("".join(f"{line}\n" for line in lines))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _flush(path.parent)


def _flush(folder: Path) -> None:
    """Have the names in a folder written to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(source: str, target: str) -> None:
    """Make a hard link, or a copy where that is not possible."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
