"""Signing a bundle with the user's own ssh key, by the system's ssh-keygen; `onboard.signatures` checks it."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shutil
import subprocess
import time
from pathlib import Path

from edgecnn.common import documents, scratch
from edgecnn.common.replies import last_line
from edgecnn.errors import EnvironmentUnfit, UsageError
from edgecnn.onboard import signatures
from edgecnn.pipeline.deploy.bundle import Bundle

PUBLIC_KEY = re.compile(r"(?P<key>(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[\w@.-]+ [A-Za-z0-9+/]+=*)(?: (?P<comment>[^\n]*))?\n?")
LARGEST_KEY_BYTES = 1 << 16


def sign(made: Bundle, key: Path, signed_at: int | None = None) -> Bundle:
    """Return the bundle with a signature of its manifest, and so of every file.

    Args:
        made: The bundle.
        key: A private key, or a public one whose private half an ssh-agent or a security key has.
        signed_at: Seconds since 1970; None is now.

    Raises:
        UsageError: There is no such key, or it does not sign.
        EnvironmentUnfit: This machine has no ssh-keygen.
    """
    if not key.is_file():
        raise UsageError(f"There is no key {key}.", "`ssh-keygen -t ed25519 -f KEY` makes one")
    document = documents.canonical(
        {
            "name": made.name,
            "signed_at": int(time.time()) if signed_at is None else signed_at,
            "manifest_sha256": hashlib.sha256(made.files[signatures.MANIFEST]).hexdigest(),
        }
    ).encode()
    document += b"\n"
    with scratch.folder() as work:
        path = work / signatures.DOCUMENT
        path.write_bytes(document)
        done = keygen("-Y", "sign", "-q", "-f", str(key), "-n", signatures.NAMESPACE, str(path))
        if done.returncode:
            reason = last_line(done.stderr) or "ssh-keygen gave no reason"
            raise UsageError(f"{key} does not sign: {reason}.", "name a private key, or add it with `ssh-add` first")
        signature = path.with_name(signatures.SIGNATURE).read_bytes()
    return dataclasses.replace(made, signature={signatures.DOCUMENT: document, signatures.SIGNATURE: signature})


def allowed_signer(key: Path) -> str:
    """Return the line by which a board trusts a public key.

    Raises:
        UsageError: The file is no public key of ssh.
    """
    try:
        text = key.read_bytes()[:LARGEST_KEY_BYTES].decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read a public key from {key}.", "name the file that ends in .pub") from error
    if "PRIVATE KEY" in text:
        raise UsageError(f"{key} is a private key, which stays with you.", f"name {key}.pub")
    match = PUBLIC_KEY.fullmatch(text)
    if match is None or not text.isascii() or '"' in text:
        raise UsageError(f"{key} is not one public key of ssh.", "`ssh-keygen -y -f KEY` prints that of a private key")
    return (
        f'{signatures.PRINCIPAL} namespaces="{signatures.NAMESPACE}" {match["key"]} {match["comment"] or ""}'.rstrip()
    )


def keygen(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ssh-keygen, which may ask for a passphrase in the terminal."""
    if not shutil.which("ssh-keygen"):
        raise EnvironmentUnfit("This machine has no ssh-keygen to sign with.", "apt install openssh-client")
    return subprocess.run(
        ["ssh-keygen", *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
