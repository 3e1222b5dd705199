"""Check that a trusted signer signed a bundle; the board decides, by its own ssh-keygen.

~/edgecnn/.allowed_signers    keys in the form of ssh-keygen(1), "ALLOWED SIGNERS"; without it any bundle is taken
~/edgecnn/.newest_only        there if a bundle that was signed before the newest current one is refused
~/edgecnn/<name>/newest       when the newest bundle that was current was signed

A signed bundle has two more files. signed.json states the bundle's name, the time of signing and the sha256 of
manifest.json, which states the sha256 of every other file. signed.json.sig is OpenSSH's signature of signed.json.
Needs the standard library only: it is sent to a board together with `releases`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ALLOWED, NEWEST_ONLY, NEWEST = ".allowed_signers", ".newest_only", "newest"
MANIFEST, DOCUMENT, SIGNATURE = "manifest.json", "signed.json", "signed.json.sig"
NAMESPACE = "edgecnn-bundle"
"""Keeps a signature that was made for something else, such as a commit, from counting as one of a bundle."""
PRINCIPAL = "edgecnn"
"""The name under which every key stands in the list of allowed signers."""
TIMEOUT_S = 60


class Untrusted(Exception):
    """A bundle that the board does not take: why, and what to do about it."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint


def require_archive(root: Path, archive: zipfile.ZipFile) -> None:
    """Raise Untrusted for an archive that this board does not take; every file of it is compared with the manifest."""
    _require(root, archive.read, archive.namelist())


def require_release(root: Path, release: Path, may_be_older: bool = False) -> None:
    """Raise Untrusted for a release that this board does not take, as it lies on the disk."""
    _require(root, lambda name: (release / name).read_bytes(), None, may_be_older)


def remember(root: Path, release: Path) -> None:
    """Keep when a release that became current was signed."""
    if (root.parent / ALLOWED).is_file():
        (root / NEWEST).write_text(str(_signed_at(_table((release / DOCUMENT).read_bytes()))), encoding="utf-8")


def _require(root: Path, read: Callable[[str], bytes], names: Iterable[str] | None, may_be_older: bool = False) -> None:
    allowed = root.parent / ALLOWED
    if not allowed.is_file():
        return
    try:
        document, signature = read(DOCUMENT), read(SIGNATURE)
    except (KeyError, OSError) as error:
        raise Untrusted(
            "the bundle has no signature, and this board takes signed ones only", "deploy it with --sign KEY"
        ) from error
    _require_signer(allowed, document, signature)
    table = _table(document)
    if table.get("name") != root.name:
        raise Untrusted(f"the bundle was signed as {table.get('name')!r}, not as {root.name!r}", "deploy it as that")
    if not may_be_older:
        _require_newest(root, _signed_at(table))
    _require_files(read, str(table.get("manifest_sha256")), names)


def _require_signer(allowed: Path, document: bytes, signature: bytes) -> None:
    """Raise Untrusted unless an allowed signer has signed the document."""
    with tempfile.NamedTemporaryFile(suffix=".sig") as stream:
        stream.write(signature)
        stream.flush()
        asked = ["-Y", "verify", "-f", str(allowed), "-I", PRINCIPAL, "-n", NAMESPACE, "-s", stream.name]
        if _ask(asked, document).returncode == 0:
            return
        done = _ask(["-Y", "check-novalidate", "-n", NAMESPACE, "-s", stream.name], document)
    words = (done.stdout + done.stderr).decode(errors="replace").split()
    if done.returncode == 0:
        key = next((word for word in words if word.startswith("SHA256:")), "an unknown key")
        raise Untrusted(
            f"the bundle is signed with {key}, which this board does not trust",
            "`edgecnn board trust BOARD KEY.pub` adds a signer",
        )
    raise Untrusted("the signature is damaged, or not one of a bundle", "sign it again")


def _ask(arguments: list[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["ssh-keygen", *arguments], input=stdin, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError as error:
        hint = "`apt install openssh-client` there"
        raise Untrusted("the board has no ssh-keygen to check the signature with", hint) from error


def _require_newest(root: Path, signed_at: int) -> None:
    """Raise Untrusted for a signature that is older than the newest that was current, on a board that was told so."""
    newest = 0
    with contextlib.suppress(OSError, ValueError):
        newest = int((root / NEWEST).read_text(encoding="utf-8"))
    if (root.parent / NEWEST_ONLY).is_file() and signed_at < newest:
        raise Untrusted(
            f"the bundle was signed {newest - signed_at} s before the newest one that was current here",
            "sign it again if it is meant; --rollback goes back to what was current",
        )


def _require_files(read: Callable[[str], bytes], manifest_sha256: str, names: Iterable[str] | None) -> None:
    """Raise Untrusted unless the manifest is the signed one and every file is as it says, none more and none less."""
    manifest = read(MANIFEST)
    if hashlib.sha256(manifest).hexdigest() != manifest_sha256:
        raise Untrusted(f"{MANIFEST} is not the one that was signed", "sign it again")
    listed = _table(manifest).get("files")
    if not isinstance(listed, dict):
        raise Untrusted(f"{MANIFEST} lists no files")
    strange = sorted({*names} - {*listed, MANIFEST, DOCUMENT, SIGNATURE}) if names is not None else []
    if strange:
        raise Untrusted(f"{strange[0]!r} is not among the files that were signed", "make the bundle anew, and sign it")
    for name, digest in listed.items():
        try:
            actual = hashlib.sha256(read(name)).hexdigest()
        except (KeyError, OSError) as error:
            raise Untrusted(f"{name!r} was signed and is missing", "deploy it again") from error
        if actual != digest:
            raise Untrusted(f"{name!r} is not the file that was signed (sha256 differs)", "deploy it again")


def _signed_at(table: dict[str, Any]) -> int:
    """Return the time of signing in seconds since 1970."""
    signed_at = table.get("signed_at")
    if type(signed_at) is not int:
        raise Untrusted(f"{DOCUMENT} does not say when it was signed", "sign it again")
    return signed_at


def _table(document: bytes) -> dict[str, Any]:
    try:
        table = json.loads(document)
    except ValueError as error:
        raise Untrusted("the signed files are damaged", "sign it again") from error
    return table if isinstance(table, dict) else {}
