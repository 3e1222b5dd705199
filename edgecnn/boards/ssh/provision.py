"""Packages for a board that has no internet, root, compiler or pip: wheels are fetched here and sent as one folder.

The versions are those installed here, so that a board and this machine can be compared. What `pip` makes of the wheels
is kept in this machine's cache, packed to the same bytes every time.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edgecnn.boards.ssh import board_cache
from edgecnn.boards.ssh.board_cache import BoardCache
from edgecnn.boards.ssh.board_facts import BoardFacts, Python
from edgecnn.boards.ssh.link import Link
from edgecnn.boards.ssh.preflight import require
from edgecnn.common import cache, console, documents, files, locks, scratch
from edgecnn.common.replies import last_line
from edgecnn.errors import BoardUnfit, EnvironmentUnfit, MissingPackage

OLDEST_MANYLINUX = {"aarch64": 17, "x86_64": 5}
"""The smallest x of glibc 2.x that a manylinux tag exists for, by architecture (PEP 600)."""
LEFT_OUT = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
"""Files of a .dist-info folder that say how a package was installed here, not what it is."""


def provision(link: Link, facts: BoardFacts, packages: Sequence[str]) -> str:
    """Have packages on a board, and return the folder there that goes on PYTHONPATH.

    They are sent once, checked by sha256, unpacked, and the folder gets its name last.

    Args:
        link: The link to the board.
        facts: What the board is.
        packages: Names, or pins as in "numpy==2.4.6".

    Raises:
        BoardUnfit: A wheel does not exist for its Python, architecture and glibc, or there is no room.
        LinkError: The link is cut.
    """
    require(facts, [name.partition("==")[0] for name in packages])
    return BoardCache(link, facts).unpack(site_archive(facts, packages))


def site_archive(facts: BoardFacts, packages: Sequence[str]) -> Path:
    """Return the packages and all that they need as a zip archive in this machine's cache, made unless it is there."""
    archive = archive_path(facts, packages)
    if archive.is_file():
        return archive
    with locks.in_turn(archive.with_suffix(".lock")):  # boards of one kind that are provisioned at once fetch it once
        if not archive.is_file():
            assert facts.python is not None
            with scratch.folder() as work:
                site = work / "site"
                _install(facts, facts.python, packages, site)
                board_cache.pack(site, archive, _belongs)
    return archive


def archive_path(facts: BoardFacts, packages: Sequence[str]) -> Path:
    """Return where the archive is kept on this machine, by what it holds and what it is for."""
    pins = pinned(packages)
    wanted = {"pins": pins, "python": str(facts.python), "arch": facts.arch, "glibc": facts.glibc}
    key = hashlib.sha256(documents.canonical(wanted).encode()).hexdigest()[:16]
    return files.make_folder(cache.cache_folder() / "sites") / f"{facts.arch}-{facts.python}-{key}.zip"


def pinned(packages: Sequence[str]) -> dict[str, str]:
    """Map the names of `packages`, and of everything they need, to the versions installed here.

    A pin in `packages` goes before. Raises MissingPackage for a package that is neither pinned nor installed.
    """
    versions: dict[str, str] = {}
    for package in packages:
        name, _, version = package.partition("==")
        if version:
            versions[_normal(name)] = version
            continue
        try:
            _collect(_normal(name), versions)
        except importlib.metadata.PackageNotFoundError as error:
            raise MissingPackage(name, None, "Sending a board the version used here") from error
    return dict(sorted(versions.items()))


def platforms(facts: BoardFacts) -> list[str]:
    """List the platforms of wheels that run on the board, the newest first (PEP 600)."""
    assert facts.glibc is not None
    newest = facts.glibc[1]
    tags = [f"manylinux_2_{minor}_{facts.arch}" for minor in range(newest, OLDEST_MANYLINUX[facts.arch] - 1, -1)]
    return [*tags, f"manylinux2014_{facts.arch}"]


def _install(facts: BoardFacts, python: Python, packages: Sequence[str], site: Path) -> None:
    console.note(f"Fetching {', '.join(packages)} for Python {python} on {facts.arch}")
    pins, asked = pinned(packages), [_normal(package.partition("==")[0]) for package in packages]
    constraints = site.with_name("constraints.txt")
    constraints.write_text("".join(f"{name}=={pins[name]}\n" for name in pins if name not in asked), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-compile", "--only-binary=:all:", "--implementation", "cp", "--python-version", str(python)]
    for tag in platforms(facts):
        command += ["--platform", tag]
    command += ["--target", str(site), "--constraint", str(constraints)]
    command += [f"{name}=={pins[name]}" for name in asked]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        raise _failed(facts, python, done.stderr)


def _failed(facts: BoardFacts, python: Python, output: str) -> EnvironmentUnfit:
    """Explain why pip failed, from what it printed."""
    if "No module named pip" in output:
        return EnvironmentUnfit("This machine has no pip to fetch a board's wheels with.", "python -m ensurepip")
    # pip says the second when a dependency is held to a version that has no wheel.
    missing = re.search(r"No matching distribution found for (\S+)|Cannot install (\S+)", output)
    if missing and "connection" not in output.lower():
        libc = f"glibc {facts.glibc[0]}.{facts.glibc[1]}" if facts.glibc else "its C library"
        wheel, platform = missing[1] or missing[2], f"Python {python}, {facts.arch}, {libc}"
        return BoardUnfit(
            f"There is no wheel of {wheel} for {facts.destination}: {platform}.",
            "install another Python there (3.11 to 3.13 have all wheels), or another version here",
        )
    lines = [line for line in output.splitlines() if line.startswith("ERROR:")]
    reason = last_line("\n".join(lines) or output).removeprefix("ERROR: ")
    return EnvironmentUnfit(f"pip could not fetch the wheels for {facts.destination}: {reason}.")


def _collect(name: str, versions: dict[str, str]) -> None:
    """Add an installed package, and what it needs without extras; what is not installed is left to pip."""
    if name in versions:
        return
    versions[name] = importlib.metadata.version(name)
    for requirement in importlib.metadata.requires(name) or ():
        needed, _, marker = requirement.partition(";")
        match = re.match(r"[\w.-]+", needed)
        if match and "extra" not in marker:
            try:
                _collect(_normal(match[0]), versions)
            except importlib.metadata.PackageNotFoundError:
                continue


def _normal(name: str) -> str:
    """Return a project's name in its normal spelling (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _belongs(inside: Path) -> bool:
    """Return whether a file is of use on a board: programs name this machine's Python, and some notes its paths."""
    return inside.parts[0] != "bin" and inside.name not in LEFT_OUT and "__pycache__" not in inside.parts
